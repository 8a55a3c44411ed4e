//! The making of an image's code, a file for each flow ([`Flow`](crate::layout::Flow)).

pub mod collected;
pub mod incremental;

use crate::julia::Object;
use crate::lean;
use crate::objects::{CodeInstance, MethodInstance};
use crate::rework::{Reworked, slots};
use crate::session::Session;
use crate::trouble::{Trouble, there};

/// Code, as Julia's functions hand it around.
pub type Raw = *mut std::ffi::c_void;

/// The method instances and the exported functions of Julia's list that have to be looked at: without
/// what nobody has asked for, and without exports that come with the images.
struct Asked {
    methods: Vec<MethodInstance>,
    exported: Vec<usize>,
}

fn asked(session: &mut Session, list: usize) -> Result<Asked, Trouble> {
    let mut asked = Asked {
        methods: Vec::new(),
        exported: Vec::new(),
    };
    let (objects, julia) = (session.objects(), &session.julia);
    let mut unasked = session.unasked();
    let (mut methods, mut left_out) = (0, Vec::new());
    for item in julia.elements(list)? {
        if julia.is_simple_vector(item) {
            if !session.in_linked_image(item)? {
                asked.exported.push(item);
            }
            continue;
        }
        crate::trouble::ensure("list", julia.is_method_instance(item), || {
            "Julia's list of methods holds something else".into()
        })?;
        methods += 1;
        let mi = MethodInstance(item);
        if lean::is_scripts(objects, julia, mi) {
            continue;
        }
        if unasked.leaves_out(objects, julia, mi) {
            left_out.push(mi);
            // Nor is it asked for in an image on top of this one.
            objects
                .code_instances(mi)
                .for_each(|ci| objects.not_asked_for(ci));
        } else {
            asked.methods.push(mi);
        }
    }
    drop(unasked);
    session.methods_asked = methods;
    session.left_out.extend(left_out);
    Ok(asked)
}

/// Lets the emitted code call each of `external`, code that an image has, by its symbol in place of its slot.
fn call_linked(
    session: &Session,
    at: Reworked<'_, '_>,
    external: &[Object],
    slots: &[usize],
) -> Result<(), Trouble> {
    for (&ci, &slot) in external.iter().zip(slots) {
        let address = session.objects().specptr(CodeInstance(ci));
        let symbol = there("external-symbol", session.symbol(address)?, || {
            "code is called that is in no image which is linked in".into()
        })?;
        slots::call_directly(at, slot, &symbol)?;
    }
    Ok(())
}
