//! The base image as a relocatable object, made while packages are loaded and workloads run.

use std::path::{Path, PathBuf};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::step;
use crate::build::context::Context;
use crate::error::Stage;
use crate::report::SpanKind;

/// The unlinked base, or on its way.
pub struct Foundation<'scope> {
    folder: PathBuf,
    thread: Option<ScopedJoinHandle<'scope, Result<(), String>>>,
}

impl<'scope> Foundation<'scope> {
    /// Starts unlinking `image`, the base, into a folder of the build's.
    ///
    /// It is done anew by each build: it takes 0.1 to 0.6 s, while workloads run, and the result of an
    /// earlier one would have to be checked and copied.
    pub fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        ctx: &'env Context<'env>,
        image: &'env Path,
    ) -> Self {
        let folder = ctx.workspace.file("foundation");
        let out = folder.clone();
        let unlink = move || {
            std::fs::create_dir_all(&out)
                .map_err(|e| format!("`{}` cannot be made: {e}", out.display()))?;
            let doing = "taking the base image apart";
            let _running = ctx.running(SpanKind::Engine, Stage::Link, doing);
            let what = "the base image cannot be taken apart";
            step(what, || pcrs_linked::unlink_base(image, &out).map(|_| ()))
        };
        let thread = Builder::new()
            .name("pcrs-unlink".into())
            .spawn_scoped(scope, unlink)
            .ok();
        Self { folder, thread }
    }

    /// Waits for it, and gives its folder.
    ///
    /// # Errors
    /// A sentence that says why the base cannot be linked in.
    pub fn ready(self) -> Result<PathBuf, String> {
        let Some(thread) = self.thread else {
            return Err("the system refuses a thread".into());
        };
        let unlinked = thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        unlinked.map(|()| self.folder)
    }
}
