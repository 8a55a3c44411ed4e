//! What is remembered between the calls that Julia makes.
//!
//! They come from one thread, but nothing relies on that: a lock is held for as long as the state is
//! looked at, and never while a function of Julia's is called that may call back.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::filter::{Found, Seen};
use crate::images::Image;
use crate::job::Job;
use crate::julia::{self, Julia, Object};
use crate::layout::{Layout, Told};
use crate::lean::{self, Lean, Unasked};
use crate::numbers::{Conventions, Held, Numbers, Pointers, held};
use crate::objects::{CodeInstance, MethodInstance, Objects};
use crate::originals::symbol;
use crate::packages::{self, Settled};
use crate::trouble::{Trouble, ensure};

/// Once it is settled what is linked in.
pub struct Plan {
    pub settled: Settled,
    pub functions: Numbers,
    pub globals: Numbers,
}

/// The code that this process generates.
#[derive(Default)]
pub struct Native {
    /// Julia's handle of it.
    pub handle: usize,
    /// What its globals stand for.
    pub values: Vec<Object>,
    /// How many globals follow that are slots without a use.
    pub unused: usize,
    /// How many functions were generated.
    pub emitted: usize,
    /// By number: which code instance has a function of an image. One only, for a function restores
    /// one.
    pub taken: Vec<Option<CodeInstance>>,
}

pub struct Session {
    pub job: &'static Job,
    pub layout: &'static Layout,
    pub julia: Julia,
    pub conventions: Conventions,
    pub told: Told,
    pub lean: Lean,
    /// What Julia infers with, while it is not that.
    inference: Option<Object>,
    pub images: Vec<Image>,
    pub plan: Option<Plan>,
    pub native: Option<Native>,
    /// Callees by the generic convention that the code to be emitted has (1.12).
    pub generic: Vec<(MethodInstance, CodeInstance)>,
    /// What is to be emitted, for the current world and for the compiler's (1.12).
    pub wanted: [Vec<Object>; 2],
    /// The list that inference has made of it (1.12).
    pub sources: Option<Object>,
    pub methods_asked: usize,
    pub left_out: HashSet<MethodInstance>,
}

static SESSION: Mutex<Option<Session>> = Mutex::new(None);

/// Looks at the session of a process that has begun one.
pub fn with<T>(work: impl FnOnce(&mut Session) -> Result<T, Trouble>) -> Result<T, Trouble> {
    let mut session = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
    match session.as_mut() {
        Some(session) => work(session),
        None => Err(Trouble::new("Julia has not told of its sysimage")),
    }
}

/// Whether Julia has told of its sysimage.
pub fn begun() -> bool {
    SESSION
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_some()
}

/// Begins the session, when the sysimage is restored.
pub fn begin(job: &'static Job) -> Result<(), Trouble> {
    let version = julia::version()?;
    ensure("julia-version", version == job.julia, || {
        format!(
            "Julia {}.{} runs, where {}.{} was expected",
            version.0, version.1, job.julia.0, job.julia.1
        )
    })?;
    let layout = Layout::of(version)?;
    keep_blocks_movable();
    let held_by = |name: &str| -> Result<usize, Trouble> {
        let name = std::ffi::CString::new(name).unwrap_or_default();
        let variable = symbol(&name)?;
        // SAFETY: a constant of libjulia-internal's, of the size of a pointer.
        Ok(unsafe { variable.cast::<usize>().read() })
    };
    let mut ids = Vec::new();
    for &(name, id) in layout.conventions {
        ids.push((held_by(name)?, id));
    }
    let session = Session {
        job,
        layout,
        julia: Julia::find()?,
        conventions: Conventions {
            ids,
            constant: held_by("jl_fptr_const_return_addr")?,
        },
        told: Told::new(layout),
        lean: Lean::default(),
        inference: None,
        images: Vec::new(),
        plan: None,
        native: None,
        generic: Vec::new(),
        wanted: [Vec::new(), Vec::new()],
        sources: None,
        methods_asked: 0,
        left_out: HashSet::new(),
    };
    *SESSION.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    Ok(())
}

/// While the heap is written, when an image takes most memory, tables and buffers of a hundred megabytes grow. glibc
/// takes blocks of up to 32 MiB out of its own heap once one of that size was freed, where growing is copying and what
/// is freed stays; blocks of their own the kernel moves and takes back.
fn keep_blocks_movable() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets a number.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}

fn replace_inference(function: Object) -> Result<Object, Trouble> {
    let variable = symbol(c"jl_typeinf_func")?.cast::<Object>();
    // SAFETY: a variable of libjulia-internal's, of the size of a pointer, with a function in it.
    Ok(unsafe { variable.replace(function) })
}

impl Session {
    pub fn objects(&self) -> Objects<'_> {
        Objects {
            layout: self.layout,
            julia: &self.julia,
        }
    }

    pub fn plan(&self) -> Result<&Plan, Trouble> {
        self.plan
            .as_ref()
            .ok_or_else(|| Trouble::new("code is asked for before anything is settled"))
    }

    /// Lets Julia infer with `function` until [`Self::infer_again`] (1.12).
    pub fn infer_through(&mut self, function: Object) -> Result<(), Trouble> {
        let original = replace_inference(function)?;
        self.inference.get_or_insert(original);
        Ok(())
    }

    /// What tells which method instances are left out.
    pub fn unasked(&self) -> Unasked<'_> {
        Unasked::new(self.job.lean.then_some(&self.lean), &self.job.named)
    }

    /// Whether Julia is not to infer `mi`, as it will be left out.
    pub fn passes_over(&mut self, mi: MethodInstance) -> Result<bool, Trouble> {
        let (objects, julia) = (self.objects(), &self.julia);
        if lean::is_scripts(objects, julia, mi) {
            return Ok(true);
        }
        let passed = self.unasked().leaves_out(objects, julia, mi);
        if passed {
            self.left_out.insert(mi);
        }
        Ok(passed)
    }

    /// Before an image is written, of which it is a part.
    pub fn infer_again(&mut self) -> Result<(), Trouble> {
        if let Some(original) = self.inference.take() {
            replace_inference(original)?;
        }
        Ok(())
    }

    /// Settles what is linked in, and checks that the script has told all that it has to.
    pub fn settle(&mut self) -> Result<(), Trouble> {
        self.told.complete()?;
        if self.job.lean {
            self.lean.complete()?;
        }
        let settled = packages::link(&mut self.images, self.layout, self.job)?;
        let linked = |image: usize| settled.reasons[image].is_none();
        let functions = self
            .images
            .iter()
            .enumerate()
            .map(|(i, image)| if linked(i) { image.functions } else { 0 });
        let globals = self.images.iter().enumerate().map(|(i, image)| match i {
            0 => image.globals,
            // Their slots for functions are none.
            _ => u32::try_from(settled.slots[i].objects.len()).unwrap_or(u32::MAX),
        });
        let (functions, globals) = (Numbers::new(functions), Numbers::new(globals));
        self.plan = Some(Plan {
            settled,
            functions,
            globals,
        });
        Ok(())
    }

    /// What the images hold of a code instance.
    pub fn held(&self, ci: CodeInstance) -> Result<Option<Held>, Trouble> {
        let (plan, objects) = (self.plan()?, self.objects());
        let pointers = Pointers {
            invoke: objects.invoke(ci),
            specptr: objects.specptr(ci),
            owner: objects.method_instance(ci),
        };
        Ok(held(
            pointers,
            &plan.settled.functions,
            &self.conventions,
            &plan.functions,
        ))
    }

    /// What there is of a method instance's code for a world.
    pub fn found(&self, mi: MethodInstance, world: usize) -> Result<Found, Trouble> {
        let objects = self.objects();
        let mut found = Found::Nothing;
        for ci in objects.code_instances(mi) {
            if !objects.native(ci) || !objects.valid_in(ci, world) {
                continue;
            }
            if objects.invoke(ci) == self.conventions.constant {
                return Ok(Found::Base);
            }
            match self.held(ci)? {
                Some(held) if held.function.image == 0 => return Ok(Found::Base),
                Some(_) => return Ok(Found::Package),
                None => found = Found::Inferred,
            }
        }
        Ok(found)
    }

    /// A method instance in both worlds.
    pub fn seen(&self, mi: MethodInstance, world: usize) -> Result<Seen, Trouble> {
        let (objects, compiler) = (self.objects(), self.julia.inference_world());
        let method = objects.method(mi);
        let visible =
            |world: usize| world != 0 && method.is_none_or(|method| objects.visible(method, world));
        Ok(Seen {
            current: self.found(mi, world)?,
            current_visible: visible(world),
            compiler: self.found(mi, compiler)?,
            compiler_visible: visible(compiler),
        })
    }

    /// Methods that a package's image has compiled, of which Julia has kept another code instance,
    /// without native code: of two packages that both specialise a method of Julia's, the code instance
    /// that comes first stays. Which one that is goes by the order of loading, which is the user's in a
    /// session and another one here. Without those `listed` already.
    pub fn lost(&self, world: usize, listed: &[Object]) -> Result<Vec<Object>, Trouble> {
        let mut lost = Vec::new();
        let mut known: HashSet<Object> = listed.iter().copied().collect();
        for (image, _, mi) in self.plan()?.settled.functions.all_owned() {
            if image > 0 && known.insert(mi.0) && self.seen(mi, world)?.lost() {
                lost.push(mi.0);
            }
        }
        Ok(lost)
    }

    /// The symbol of the function at this address, if an image that is linked in has one there.
    pub fn symbol(&self, address: usize) -> Result<Option<String>, Trouble> {
        let function = self.plan()?.settled.functions.find(address);
        Ok(function.map(|function| packages::symbol(&self.images, function)))
    }

    /// Lets Julia emit a code instance whose code is of an image that is not linked in; whether it
    /// would not have.
    pub fn forget(&self, ci: CodeInstance) -> Result<bool, Trouble> {
        let objects = self.objects();
        let address = objects.specptr(ci);
        let linked = address != 0 && self.plan()?.settled.functions.find(address).is_some();
        if !objects.is_from_image(ci) || linked {
            return Ok(false);
        }
        objects.forget_image(ci);
        Ok(true)
    }

    /// The same for all that refused package images hold.
    pub fn forget_refused(&self) -> Result<(), Trouble> {
        let reasons = &self.plan()?.settled.reasons;
        for (image, _) in self
            .images
            .iter()
            .zip(reasons)
            .filter(|(_, reason)| reason.is_some())
        {
            for &mi in image.owners.iter().flatten() {
                for ci in self.objects().code_instances(mi) {
                    self.forget(ci)?;
                }
            }
        }
        Ok(())
    }

    /// Whether an object lies in the heap of an image that is linked in.
    pub fn in_linked_image(&self, object: Object) -> Result<bool, Trouble> {
        let reasons = &self.plan()?.settled.reasons;
        Ok(self
            .images
            .iter()
            .zip(reasons)
            .any(|(image, reason)| reason.is_none() && image.has_object(object)))
    }

    /// All globals of the new image, in order: of the base, of packages, new ones, unused ones.
    pub fn globals(&self) -> Result<Vec<Object>, Trouble> {
        let (plan, nothing) = (self.plan()?, self.julia.nothing());
        let base = self.images[0].values(self.layout)?;
        let mut globals: Vec<Object> = base
            .into_iter()
            .map(|value| value.unwrap_or(nothing))
            .collect();
        for slots in &plan.settled.slots[1..] {
            globals.extend(slots.objects.iter().map(|slot| slot.value));
        }
        ensure(
            "globals",
            globals.len() == plan.globals.total as usize,
            || {
                format!(
                    "{} globals of images, not {}",
                    globals.len(),
                    plan.globals.total
                )
            },
        )?;
        let native = self.native()?;
        globals.extend(&native.values);
        globals.extend(std::iter::repeat_n(nothing, native.unused));
        Ok(globals)
    }

    pub fn native(&self) -> Result<&Native, Trouble> {
        self.native
            .as_ref()
            .ok_or_else(|| Trouble::new("no code was generated yet"))
    }

    /// Whether this is the code that is generated here, not that of somebody else in the process.
    pub fn is_current(&self, handle: usize) -> bool {
        handle != 0
            && self
                .native
                .as_ref()
                .is_some_and(|native| native.handle == handle)
    }
}
