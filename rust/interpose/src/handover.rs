//! What the link has to know of this process's image.

use pcrs_linked::handover::{Counts, Handover, UsedBase};

use crate::packages;
use crate::session::Session;
use crate::trouble::{Trouble, ensure};

/// Writes it, before Julia writes its objects.
pub fn write(session: &Session) -> Result<(), Trouble> {
    let (plan, native) = (session.plan()?, session.native()?);
    let base = &session.images[0];
    let (packages, refused) = packages::told(&session.images, &plan.settled);
    let count = |n: usize| n as u64;
    let new_globals = native.values.len() + native.unused;
    let handover = Handover {
        base: UsedBase {
            path: base.path.clone(),
            functions: base.functions,
            globals: base.globals,
            shards: base.shards,
            targets: base.targets,
            selected: base.offsets(),
        },
        packages,
        refused,
        heap: Some(session.job.heap.clone()),
        new_globals: u32::try_from(new_globals).map_err(|_| Trouble::new("too many globals"))?,
        counts: Counts {
            methods_asked: count(session.methods_asked),
            left_out: count(session.left_out.len()),
            base_functions: u64::from(base.functions),
            package_functions: u64::from(plan.functions.total - base.functions),
            emitted: count(native.emitted),
        },
    };
    handover.save(&session.job.handover)?;
    ensure("handover", true, String::new)
}
