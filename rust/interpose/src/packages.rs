//! Package images: which of them are linked in, and the objects that are made of them.

use std::path::Path;
use std::time::UNIX_EPOCH;

use pcrs_linked::{Package, PackageObject, base_symbol, handover, package_symbol};

use crate::images::{Image, functions_of};
use crate::job::Job;
use crate::layout::Layout;
use crate::loaded::Code;
use crate::settle::{Slot, Slots, id, settle};
use crate::tables::{Function, Functions};
use crate::trouble::Trouble;

/// The images of the process, settled.
pub struct Settled {
    /// By image: why it is not linked in.
    pub reasons: Vec<Option<String>>,
    /// Of those that are.
    pub functions: Functions,
    /// By image, as told apart.
    pub slots: Vec<Slots>,
    /// By image, for packages that are linked in.
    pub objects: Vec<Option<PackageObject>>,
}

/// The symbol of a function of an image.
pub fn symbol(images: &[Image], function: Function) -> String {
    let image = &images[function.image];
    let offset = image.offset(function.address);
    match function.image {
        0 => base_symbol(offset),
        _ => package_symbol(&image.id, offset),
    }
}

/// Reads all package images, settles which are linked in, and writes their objects. Gives each
/// its id.
pub fn link(images: &mut [Image], layout: &Layout, job: &Job) -> Result<Settled, Trouble> {
    let mut reasons: Vec<Option<String>> = vec![None; images.len()];
    let mut packages: Vec<Option<Package>> = images.iter().map(|_| None).collect();
    let mut slots: Vec<Vec<Slot>> = vec![Vec::new(); images.len()];
    for (i, image) in images.iter_mut().enumerate().skip(1) {
        image.id = id_of(&image.path)?;
        match read(image, job) {
            Ok(package) => packages[i] = Some(package),
            Err(reason) => reasons[i] = Some(reason),
        }
        slots[i] = image.filled(layout);
    }
    let code = Code::of_process();
    loop {
        let of = |reasons: &[Option<String>]| functions_of(images, reasons);
        let (functions, sorted) =
            settle(&mut reasons, &slots, of, &|address| code.contains(address));
        let mut objects = vec![None; images.len()];
        let mut refused = false;
        for (i, package) in packages.iter().enumerate() {
            let (Some(package), None) = (package, &reasons[i]) else {
                continue;
            };
            let bound: Vec<(u64, String)> = sorted[i]
                .functions
                .iter()
                .map(|&(at, function)| (at, symbol(images, function)))
                .collect();
            let file = job.objects.join(format!("{}.o", images[i].id));
            match package.write(&bound, &file) {
                Ok(object) => objects[i] = Some(object),
                Err(reason) => {
                    refused = true;
                    reasons[i] = Some(reason.to_string());
                }
            }
        }
        if !refused {
            return Ok(Settled {
                reasons,
                functions,
                slots: sorted,
                objects,
            });
        }
    }
}

fn read(image: &Image, job: &Job) -> Result<Package, String> {
    if !job.link_packages {
        return Err("package images are not asked for".into());
    }
    let path = image.path.to_string_lossy();
    if let Some(part) = job.refuse.iter().find(|part| path.contains(part.as_str())) {
        return Err(format!("the job refuses {part}"));
    }
    let package = Package::read(&image.path, &image.id).map_err(|reason| reason.to_string())?;
    // What was read stays as it is; where the code lies is known of the file that Julia has loaded.
    if !image.is_file_there() {
        return Err("its file was replaced after it was loaded".into());
    }
    Ok(package)
}

fn id_of(path: &Path) -> Result<String, Trouble> {
    let about = |e: std::io::Error| Trouble::new(format!("{}: {e}", path.display()));
    let meta = std::fs::metadata(path).map_err(about)?;
    let modified = meta.modified().map_err(about)?.duration_since(UNIX_EPOCH);
    Ok(id(
        path,
        meta.len(),
        modified.map_or(0, |time| time.as_nanos()),
    ))
}

/// For the handover: those that are linked in, and those that are not.
pub fn told(
    images: &[Image],
    settled: &Settled,
) -> (Vec<handover::UsedPackage>, Vec<handover::RefusedImage>) {
    let (mut used, mut refused) = (Vec::new(), Vec::new());
    for (i, image) in images.iter().enumerate().skip(1) {
        if let Some(reason) = &settled.reasons[i] {
            refused.push(handover::RefusedImage {
                path: image.path.clone(),
                reason: reason.clone(),
            });
        }
        if let Some(object) = &settled.objects[i] {
            used.push(handover::UsedPackage {
                id: image.id.clone(),
                path: image.path.clone(),
                object: object.clone(),
                functions: image.offsets(),
                globals: settled.slots[i]
                    .objects
                    .iter()
                    .map(|slot| slot.offset)
                    .collect(),
            });
        }
    }
    (used, refused)
}
