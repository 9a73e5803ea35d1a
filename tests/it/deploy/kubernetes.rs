//! The manifests, as kubectl puts them together, held against Kubernetes' own schemas.

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{DEPLOY, assert_taken, good, tool};
use crate::cli::{Bench, in_yaml, json_of_yaml};
use crate::support::variable_or_leave_out;

const WAYS: [&str; 3] = ["serve", "nightly", "sharded"];

/// The objects that `kubectl apply -k` would send.
fn objects(way: &str) -> Option<Vec<Value>> {
    let output = good(tool("kubectl")?.args(["kustomize", &format!("{DEPLOY}/kubernetes/{way}")]));
    let documents = json_of_yaml(way, &String::from_utf8(output.stdout).unwrap())?;
    Some(documents.as_array().unwrap().clone())
}

fn all_objects() -> Option<Vec<Value>> {
    WAYS.into_iter().map(objects).collect::<Option<Vec<_>>>().map(|lists| lists.concat())
}

/// The pods that the objects make.
fn pods(objects: &[Value]) -> Vec<Value> {
    let template = |object: &Value| match object["kind"].as_str() {
        Some("Deployment") => Some(object["spec"]["template"]["spec"].clone()),
        Some("CronJob") => Some(object["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone()),
        _ => None,
    };
    let pods: Vec<Value> = objects.iter().filter_map(template).collect();
    assert_eq!(pods.len(), WAYS.len());
    pods
}

/// The schemas of one version of Kubernetes. They allow no unknown field.
struct Schemas(Value);

impl Schemas {
    fn all() -> Option<Vec<Self>> {
        let folder = variable_or_leave_out("SK_DEPLOY_TOOLS")?;
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        let read = |path| fs::read_to_string(path).unwrap().replace("/api/_definitions.json#", "#");
        Some(files.map(|path| Self(serde_json::from_str(&read(path)).unwrap())).collect())
    }

    fn of(&self, object: &Value) -> Validator {
        let (group, version) = object["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", "v1"));
        let version = if group.is_empty() { object["apiVersion"].as_str().unwrap() } else { version };
        let wanted = json!({ "group": group, "kind": object["kind"], "version": version });
        let definitions = self.0["$defs"].as_object().unwrap();
        let is_it = |schema: &Value| {
            let kinds = schema["x-kubernetes-group-version-kind"].as_array();
            kinds.is_some_and(|kinds| kinds.contains(&wanted))
        };
        let (name, _) = definitions.iter().find(|(_, schema)| is_it(schema)).unwrap_or_else(|| panic!("no {wanted}"));
        let schema = json!({ "$ref": format!("#/$defs/{name}"), "$defs": definitions });
        jsonschema::draft202012::new(&schema).unwrap()
    }
}

#[test]
fn kubernetes_takes_every_object() {
    let (Some(objects), Some(versions)) = (all_objects(), Schemas::all()) else { return };
    assert_eq!(versions.len(), 2, "the oldest version that has all that is used, and the newest");
    for (schemas, object) in versions.iter().flat_map(|schemas| objects.iter().map(move |object| (schemas, object))) {
        let validator = schemas.of(object);
        let wrong: Vec<String> =
            validator.iter_errors(object).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{} {}: {wrong:#?}", object["kind"], object["metadata"]["name"]);
        let mut odd = object.clone();
        odd["metadata"]["lables"] = json!({});
        assert!(!validator.is_valid(&odd), "{}: a misspelt field is taken", object["kind"]);
    }
}

#[test]
fn every_file_is_part_of_something() {
    for folder in fs::read_dir(format!("{DEPLOY}/kubernetes")).unwrap().map(|entry| entry.unwrap().path()) {
        let kustomization = fs::read_to_string(folder.join("kustomization.yaml")).unwrap();
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
            let is_named = kustomization.lines().any(|line| line.ends_with(&format!(" {file}")));
            assert!(is_named || file == "kustomization.yaml", "{}/{file} is left out", folder.display());
        }
    }
}

/// What Pod Security calls restricted, and a root folder that is read-only.
#[test]
fn every_pod_is_restricted() {
    let Some(objects) = all_objects() else { return };
    for pod in pods(&objects) {
        assert_eq!(pod["automountServiceAccountToken"], json!(false));
        assert_eq!(pod["securityContext"]["runAsNonRoot"], json!(true));
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], json!("RuntimeDefault"));
        assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > 60, "longer than the default of grace");
        for container in pod["containers"].as_array().unwrap() {
            let context = json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            });
            assert_eq!(container["securityContext"], context);
            assert!(container["resources"]["limits"]["memory"].is_string());
        }
    }
}

/// The config that every pod reads.
fn config(objects: &[Value]) -> String {
    let map = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
    map["data"]["config.toml"].as_str().unwrap().to_owned()
}

#[test]
fn the_config_is_one_without_problems() {
    let Some(objects) = objects("serve") else { return };
    let bench = Bench::empty();
    fs::write(bench.path("snapkeep.toml"), config(&objects)).unwrap();
    let ran = bench.run("config check");
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[test]
fn every_secret_is_in_the_folder_where_it_is_mounted() {
    let Some(objects) = all_objects() else { return };
    let config = config(&objects);
    let files: Vec<&Path> =
        config.split("file = \"").skip(1).map(|rest| Path::new(rest.split('"').next().unwrap())).collect();
    assert!(!files.is_empty());
    for pod in pods(&objects) {
        let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| mount["name"] == "secrets").unwrap();
        assert!(files.iter().all(|file| file.parent() == Some(Path::new(mount["mountPath"].as_str().unwrap()))));
    }
}

#[test]
fn the_scheduler_is_reached_where_it_listens_and_only_with_a_token() {
    let Some(objects) = objects("serve") else { return };
    let config: toml::Table = config(&objects).parse().unwrap();
    let serve = config.get("serve").expect("a [serve] in the ConfigMap");
    assert!(serve["bearer_token"].is_table(), "{serve}");
    let port: u64 = serve["listen"].as_str().unwrap().strip_prefix("0.0.0.0:").unwrap().parse().unwrap();
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"], json!([{ "name": "http", "containerPort": port }]));
}

#[test]
fn every_command_of_the_pods_is_one_that_the_command_line_takes() {
    let Some(objects) = all_objects() else { return };
    let (_, calls) = in_yaml(&Value::Array(objects.clone()));
    assert_eq!(calls.len(), WAYS.len());
    let variables: Vec<String> = pods(&objects)
        .iter()
        .flat_map(|pod| pod["containers"][0]["env"].as_array().unwrap().clone())
        .map(|variable| variable["name"].as_str().unwrap().to_owned())
        .collect();
    // As the kubelet does, and with a number, which the shard has to be.
    let expanded = |word: String| variables.iter().fold(word, |word, name| word.replace(&format!("$({name})"), "7"));
    let calls: Vec<Vec<String>> = calls.into_iter().map(|words| words.into_iter().map(expanded).collect()).collect();
    assert!(calls.iter().flatten().all(|word| !word.contains("$(")), "a variable that is not set: {calls:?}");
    assert_taken(&calls);
}
