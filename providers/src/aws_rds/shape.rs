//! What a restored instance or cluster is to be like: as the source, unless told otherwise.
//!
//! RDS gives a restored one the default parameter group, the default security group and one availability zone, unless the
//! call says more: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RestoreFromSnapshot.html>.

use aws_sdk_rds::types::ServerlessV2ScalingConfiguration;

use super::api::Family;
use crate::model::RestoreOptions;

/// Settings, by the API's words; what is `None` is left to RDS.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shape {
    pub(super) class: Option<String>,
    pub(super) cluster_class: Option<String>,
    pub(super) subnet_group: Option<String>,
    pub(super) security_groups: Option<Vec<String>>,
    pub(super) parameter_group: Option<String>,
    pub(super) cluster_parameter_group: Option<String>,
    pub(super) option_group: Option<String>,
    pub(super) multi_az: Option<bool>,
    pub(super) port: Option<i32>,
    pub(super) deletion_protection: Option<bool>,
    pub(super) publicly_accessible: Option<bool>,
    pub(super) iam_authentication: Option<bool>,
    pub(super) copy_tags: Option<bool>,
    pub(super) minor_upgrades: Option<bool>,
    pub(super) availability_zone: Option<String>,
    pub(super) storage_type: Option<String>,
    pub(super) iops: Option<i32>,
    pub(super) kms_key_id: Option<String>,
    pub(super) engine_version: Option<String>,
    pub(super) logs: Option<Vec<String>>,
    /// Days for which it keeps automated backups.
    pub(super) backup_days: Option<i32>,
    pub(super) capacity: Option<Capacity>,
}

/// Between which capacities a serverless cluster scales, in Aurora capacity units.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Capacity {
    pub(super) least: Option<f64>,
    pub(super) most: Option<f64>,
    /// Seconds without work after which it pauses.
    pub(super) pause: Option<i32>,
}

impl Capacity {
    pub(super) fn configuration(&self) -> ServerlessV2ScalingConfiguration {
        ServerlessV2ScalingConfiguration::builder()
            .set_min_capacity(self.least)
            .set_max_capacity(self.most)
            .set_seconds_until_auto_pause(self.pause)
            .build()
    }
}

/// As long as the value of a tag may be.
const MEMBER_TEXT: usize = 256;

/// The names of `--set`, and whom they are for.
const OPTIONS: &[(&str, &[Family])] = {
    use Family::{Cluster, Instance};
    &[
        ("auto_minor_version_upgrade", &[Instance, Cluster]),
        ("availability_zone", &[Instance, Cluster]),
        ("copy_tags_to_snapshot", &[Instance, Cluster]),
        ("db_cluster_instance_class", &[Cluster]),
        ("db_cluster_parameter_group_name", &[Cluster]),
        ("db_instance_class", &[Instance, Cluster]),
        ("db_parameter_group_name", &[Instance, Cluster]),
        ("db_subnet_group_name", &[Instance, Cluster]),
        ("deletion_protection", &[Instance, Cluster]),
        ("engine_version", &[Cluster]),
        ("iam_database_authentication", &[Instance, Cluster]),
        ("iops", &[Instance, Cluster]),
        ("kms_key_id", &[Cluster]),
        ("multi_az", &[Instance]),
        ("option_group_name", &[Instance, Cluster]),
        ("port", &[Instance, Cluster]),
        ("publicly_accessible", &[Instance, Cluster]),
        ("storage_type", &[Instance, Cluster]),
        ("vpc_security_group_ids", &[Instance, Cluster]),
    ]
};

impl Shape {
    /// What is left of it in another region: groups and zones are a region's own.
    pub(super) fn elsewhere(self) -> Self {
        Self {
            subnet_group: None,
            security_groups: None,
            parameter_group: None,
            cluster_parameter_group: None,
            option_group: None,
            availability_zone: None,
            kms_key_id: None,
            ..self
        }
    }

    /// What an instance of a cluster is made with, as one text that a tag can hold.
    pub(super) fn member_text(&self) -> String {
        let flag = |flag: Option<bool>| flag.map(|flag| flag.to_string());
        let words = [
            ("db_instance_class", Some(self.member_class())),
            ("db_parameter_group_name", self.parameter_group.clone()),
            ("publicly_accessible", flag(self.publicly_accessible)),
            ("auto_minor_version_upgrade", flag(self.minor_upgrades)),
            ("availability_zone", self.availability_zone.clone()),
        ];
        let words = words.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        // What has no room is left to AWS.
        words.fold(String::new(), |text, word| match text.len() + 1 + word.len() {
            ..=MEMBER_TEXT if text.is_empty() => word,
            ..=MEMBER_TEXT => format!("{text} {word}"),
            _ => text,
        })
    }

    /// The same read back. What can't be read is left to AWS.
    pub(super) fn of_member_text(text: &str) -> Self {
        let mut shape = Self::default();
        for (name, value) in text.split(' ').filter_map(|word| word.split_once('=')) {
            // Of names that it does not know it says so, which changes nothing.
            let _ = shape.set(name, value, Family::Cluster);
        }
        shape
    }

    /// The class of a cluster's instance; where the source tells none, the smallest that both Aurora engines have.
    pub(super) fn member_class(&self) -> String {
        let smallest = || if self.capacity.is_some() { "db.serverless" } else { "db.t4g.medium" };
        self.class.clone().unwrap_or_else(|| smallest().to_owned())
    }

    /// The same without AWS's default groups, which it takes anyway: those of the engine's version, which may be a newer one.
    pub(super) fn without_defaults(self) -> Self {
        let own =
            |group: Option<String>| group.filter(|name| !name.starts_with("default:") && !name.starts_with("default."));
        Self {
            parameter_group: own(self.parameter_group),
            cluster_parameter_group: own(self.cluster_parameter_group),
            option_group: own(self.option_group),
            ..self
        }
    }

    /// The same with what was asked for; an error says what can't be.
    pub(super) fn with(mut self, options: &RestoreOptions, family: Family) -> Result<Self, String> {
        for (name, value) in options {
            self.set(name, value, family)?;
        }
        if options.contains_key("availability_zone") && !options.contains_key("multi_az") {
            self.multi_az = Some(false); // RDS refuses a zone for one that has two
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str, family: Family) -> Result<(), String> {
        let known = || OPTIONS.iter().filter(|(_, families)| families.contains(&family)).map(|(name, _)| *name);
        if !known().any(|known| known == name) {
            let names: Vec<&str> = known().collect();
            return Err(format!("a {} has no option {name:?}; there are {}", family.noun(), names.join(", ")));
        }
        if value.is_empty() {
            return Err(format!("the option {name} has no value"));
        }
        let text = || Some(value.to_owned());
        let flag = || match value {
            "true" | "yes" | "on" => Ok(Some(true)),
            "false" | "no" | "off" => Ok(Some(false)),
            _ => Err(format!("the option {name} is true or false, not {value:?}")),
        };
        let number = |least: i32, most: i32| match value.parse::<i32>() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(format!("the option {name} is a number from {least} to {most}, not {value:?}")),
        };
        match name {
            "db_instance_class" => self.class = text(),
            "db_cluster_instance_class" => self.cluster_class = text(),
            "db_subnet_group_name" => self.subnet_group = text(),
            "vpc_security_group_ids" => {
                self.security_groups = Some(value.split(',').map(|group| group.trim().to_owned()).collect());
            }
            "db_parameter_group_name" => self.parameter_group = text(),
            "db_cluster_parameter_group_name" => self.cluster_parameter_group = text(),
            "option_group_name" => self.option_group = text(),
            "multi_az" => self.multi_az = flag()?,
            "port" => self.port = number(1, 65535)?,
            "deletion_protection" => self.deletion_protection = flag()?,
            "publicly_accessible" => self.publicly_accessible = flag()?,
            "iam_database_authentication" => self.iam_authentication = flag()?,
            "copy_tags_to_snapshot" => self.copy_tags = flag()?,
            "auto_minor_version_upgrade" => self.minor_upgrades = flag()?,
            "availability_zone" => self.availability_zone = text(),
            "storage_type" => self.storage_type = text(),
            "iops" => self.iops = number(1, i32::MAX)?,
            "kms_key_id" => self.kms_key_id = text(),
            _ => self.engine_version = text(),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> RestoreOptions {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_asked_for_wins_over_the_source() {
        let source =
            Shape { port: Some(5432), multi_az: Some(true), class: Some("db.m7g.large".into()), ..Shape::default() };
        let asked = options(&[("multi_az", "false"), ("vpc_security_group_ids", "sg-1, sg-2")]);
        let shape = source.with(&asked, Family::Instance).unwrap();
        assert_eq!((shape.port, shape.multi_az), (Some(5432), Some(false)));
        assert_eq!(shape.security_groups, Some(vec!["sg-1".into(), "sg-2".into()]));
    }

    #[test]
    fn what_a_clusters_instance_is_made_with_goes_through_a_tag() {
        let shape = Shape {
            class: Some("db.r7g.large".into()),
            parameter_group: Some("tuned".into()),
            publicly_accessible: Some(false),
            minor_upgrades: Some(true),
            availability_zone: Some("eu-central-1a".into()),
            ..Shape::default()
        };
        let text = shape.member_text();
        assert_eq!(Shape::of_member_text(&text), shape);
        assert!(text.len() <= 256 && text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c)), "{text}");
        assert_eq!(Shape::of_member_text("no=such nothing"), Shape::default());
    }

    #[test]
    fn default_groups_are_left_to_aws() {
        let group = |name: &str| Some(name.to_owned());
        let (parameter_group, option_group) = (group("default.postgres16"), group("default:postgres-16"));
        let defaults = Shape { parameter_group, option_group, ..Shape::default() };
        assert_eq!(defaults.without_defaults(), Shape::default());
        let own = Shape { parameter_group: group("tuned"), ..Shape::default() };
        assert_eq!(own.clone().without_defaults(), own);
    }

    #[test]
    fn an_option_that_is_none_is_told_with_those_that_are() {
        let with = |pair, family| Shape::default().with(&options(&[pair]), family).unwrap_err();
        let error = with(("multi-az", "true"), Family::Instance);
        assert!(error.starts_with("a DB instance has no option \"multi-az\"; there are auto_minor"), "{error}");
        assert!(with(("multi_az", "true"), Family::Cluster).contains("has no option"));
        assert_eq!(with(("port", "0"), Family::Cluster), "the option port is a number from 1 to 65535, not \"0\"");
        assert_eq!(
            with(("multi_az", "perhaps"), Family::Instance),
            "the option multi_az is true or false, not \"perhaps\""
        );
        assert_eq!(with(("storage_type", ""), Family::Instance), "the option storage_type has no value");
    }

    #[test]
    fn every_option_that_is_offered_sets_something() {
        for (name, families) in OPTIONS {
            for family in *families {
                let value = if matches!(*name, "iops" | "port") { "3000" } else { "true" };
                let shape = Shape::default().with(&options(&[(name, value)]), *family).unwrap();
                assert_ne!(shape, Shape::default(), "{name}");
            }
        }
    }
}
