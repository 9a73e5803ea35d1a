//! Exports and imports: a bucket is what stands under a URL among the databases.

use super::*;

/// What was begun, and how many looks it takes yet.
pub(super) type Transfers<T> = HashMap<OperationId, (u32, T)>;

impl Memory {
    pub(super) fn begin_export(
        &self,
        of: &ExportOf,
        request: &ExportRequest,
        run: &Run,
    ) -> Result<Operation<Exported>> {
        self.stop_if_cancelled(run, Verb::Export, &self.target)?;
        self.call(Verb::Export, &self.target, |world, _| {
            let (content, snapshot) = match of {
                ExportOf::Now => (world.source.clone(), None),
                ExportOf::Snapshot(id) => {
                    let record = world.find(id).ok_or_else(|| self.missing(Verb::Export, id))?;
                    (record.content.clone(), Some(id.clone()))
                }
            };
            let name = format!("e{}", world.exports.len() + 1);
            let id = OperationId::of_export(&name);
            let (to, size_bytes) = (request.to.clone(), Some(content.len() as u64));
            world.databases.insert(to.clone(), content);
            let exported =
                Exported { name, snapshot, to, provider_state: "DONE".into(), size_bytes, warnings: Vec::new() };
            self.look(&id, Some(world.exports.entry(id.clone()).or_insert((self.polls, exported))))
        })
    }

    pub(super) fn begin_import(&self, request: &ImportRequest, run: &Run) -> Result<Operation<Imported>> {
        self.stop_if_cancelled(run, Verb::Import, &self.target)?;
        self.call(Verb::Import, &self.target, |world, _| {
            let content = world.databases.get(&request.from);
            world.source = content.ok_or_else(|| self.missing(Verb::Import, &request.from))?.clone();
            let id = OperationId::of_import(&format!("i{}", world.imports.len() + 1));
            let (from, database) = (request.from.clone(), request.database.clone());
            let imported = Imported { from, database, warnings: Vec::new() };
            self.look(&id, Some(world.imports.entry(id.clone()).or_insert((self.polls, imported))))
        })
    }

    /// How far it is; each look takes it further.
    pub(super) fn look<T: Clone>(&self, id: &OperationId, begun: Option<&mut (u32, T)>) -> Result<Operation<T>> {
        let (looks, result) = begun.ok_or_else(|| self.missing(Verb::Poll, id))?;
        let state = match *looks {
            0 => OperationState::Done(result.clone()),
            _ => OperationState::Running { so_far: Some(result.clone()), percent: None },
        };
        *looks = looks.saturating_sub(1);
        Ok(Operation::begun(id.clone(), state))
    }
}
