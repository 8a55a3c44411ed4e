//! What lies in Julia's depots and goes into an image without being named by the Manifest.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pcrs_cache::{Error, Ignore, Key, KeyBuilder, hash_tree};

use crate::plan::BuildPlan;

const VARIABLE: &str = "JULIA_DEPOT_PATH";

/// The depots that children of `plan` have, in their order: they get the variable as it is.
pub fn paths(plan: &BuildPlan) -> Vec<PathBuf> {
    let surroundings = &plan.surroundings;
    let Some(value) = surroundings.var(VARIABLE) else {
        return defaults(plan);
    };
    let mut depots = Vec::new();
    for entry in std::env::split_paths(value) {
        if entry.as_os_str().is_empty() {
            // As in `Base.append_default_depot_path!`.
            depots.extend(defaults(plan));
        } else if let Ok(rest) = entry.strip_prefix("~") {
            depots.push(surroundings.home.join(rest));
        } else {
            depots.push(surroundings.folder.join(entry));
        }
    }
    depots
}

fn defaults(plan: &BuildPlan) -> Vec<PathBuf> {
    let own = plan.surroundings.home.join(".julia");
    let installation = plan.julia.exe.parent().and_then(Path::parent);
    let shared = installation
        .into_iter()
        .flat_map(|root| [root.join("local/share/julia"), root.join("share/julia")]);
    std::iter::once(own).chain(shared).collect()
}

/// The precompile caches in the depots, for the Julia of `plan`, of the packages that it loads: their names, and what
/// tells each from another that takes its place. Of each package Julia keeps only the newest few, and builds of another
/// version replace some.
pub fn caches(plan: &BuildPlan) -> BTreeSet<String> {
    let version = plan.julia.version;
    let folder = format!("compiled/v{}.{}", version.major, version.minor);
    let mut found = BTreeSet::new();
    for depot in paths(plan) {
        let depot = depot.join(&folder);
        for package in plan.packages.iter().filter(|package| package.load) {
            let files = fs::read_dir(depot.join(&package.name));
            for file in files.into_iter().flatten().flatten() {
                let path = file.path();
                let ending = path.extension().unwrap_or_default();
                if (ending == "ji" || ending == plan.julia.dlext.as_str())
                    && let Ok(start) = start_of(&path)
                {
                    found.insert(format!("{} {start}", path.display()));
                }
            }
        }
    }
    found
}

/// Of the size of a cache, and its first bytes: they hold its build's number. Its time does not tell, as Julia sets it
/// when it loads the cache.
fn start_of(cache: &Path) -> io::Result<Key> {
    let mut key = KeyBuilder::new("cache/v1");
    let file = File::open(cache)?;
    key.field("size", file.metadata()?.len().to_string());
    let mut start = Vec::new();
    file.take(START).read_to_end(&mut start)?;
    key.field("start", start);
    Ok(key.finish())
}

/// Bytes of a cache that are looked at.
const START: u64 = 4096;

/// Where depots replace artifacts. Their own paths do not count, so that an image serves users who have a depot
/// of their own in front of a shared one: of what lies in them images hold the folders of packages, which count
/// by themselves ([`installed`]).
///
/// # Errors
/// When a file of replacements cannot be read.
pub fn key(depots: &[PathBuf]) -> Result<Key, Error> {
    let mut key = KeyBuilder::new("depots/v2");
    for depot in depots {
        let overrides = depot.join("artifacts/Overrides.toml");
        if overrides.is_file() {
            key.field("depot", depot.as_os_str().as_encoded_bytes());
            key.file("overrides", &overrides)?;
        }
    }
    Ok(key.finish())
}

/// The folder of a package that is tracked by content, as `Base.explicit_manifest_entry_path` finds
/// it.
pub fn installed(depots: &[PathBuf], name: &str, uuid: &str, tree_hash: &str) -> Option<PathBuf> {
    let slugs = [5, 4].map(|length| slug(uuid, tree_hash, length));
    let mut candidates = slugs
        .iter()
        .flatten()
        .flat_map(|slug| depots.iter().map(move |depot| (depot, slug)))
        .map(|(depot, slug)| depot.join("packages").join(name).join(slug));
    candidates.find(|folder| folder.is_dir())
}

/// What `Pkg.build` left in the folder of an installed package, which its tree hash does not tell.
///
/// # Errors
/// When a file cannot be read.
pub fn built(folder: &Path) -> Result<Option<Key>, Error> {
    let deps = folder.join("deps");
    let Ok(entries) = fs::read_dir(&deps) else {
        return Ok(None);
    };
    let came = |name: &str| matches!(name, "build.jl" | LOG);
    let only_source = entries
        .flatten()
        .all(|entry| entry.file_name().to_str().is_some_and(came));
    if only_source {
        return Ok(None);
    }
    let ignore = Ignore::default().path(deps.join(LOG));
    Ok(Some(hash_tree(&deps, &ignore)?.key))
}

/// Written anew by each `Pkg.build`, and read by nobody.
const LOG: &str = "build.log";

/// `Base.version_slug`.
fn slug(uuid: &str, tree_hash: &str, length: usize) -> Option<String> {
    const DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let uuid = u128::from_str_radix(&uuid.replace('-', ""), 16).ok()?;
    let tree = hexadecimal(tree_hash)?;
    let mut rest = crc32c(&tree, crc32c(&uuid.to_ne_bytes(), 0)) as usize;
    let digits = (0..length).map(|_| {
        let digit = DIGITS[rest % DIGITS.len()];
        rest /= DIGITS.len();
        char::from(digit)
    });
    Some(digits.collect())
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Castagnoli's checksum, going on from `crc`.
fn crc32c(bytes: &[u8], crc: u32) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = !crc;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (POLYNOMIAL * (crc & 1));
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_found_where_julia_has_them() {
        // What Julia 1.10 gives for these two.
        let uuid = "7876af07-990d-54b4-ab0e-23690620f79a";
        let tree = "46d2680e618f8abd007bce0c3026cb0c4a8f2032";
        assert_eq!(slug(uuid, tree, 5).as_deref(), Some("1OfV8"));
        assert_eq!(slug(uuid, tree, 4).as_deref(), Some("1OfV"));
        assert_eq!(slug("no uuid", tree, 5), None);
        let depot = tempfile::tempdir().unwrap();
        let folder = depot.path().join("packages/Example/1OfV8");
        let depots = [PathBuf::from("/nowhere"), depot.path().to_path_buf()];
        assert_eq!(installed(&depots, "Example", uuid, tree), None);
        fs::create_dir_all(&folder).unwrap();
        let found = installed(&depots, "Example", uuid, tree);
        assert_eq!(found.as_ref(), Some(&folder));
    }

    #[test]
    fn what_a_build_leaves_counts_and_its_log_does_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(built(folder.path()).unwrap().is_none());
        let deps = folder.path().join("deps");
        fs::create_dir(&deps).unwrap();
        fs::write(deps.join("build.jl"), "").unwrap();
        fs::write(deps.join("build.log"), "").unwrap();
        assert!(built(folder.path()).unwrap().is_none());
        fs::write(deps.join("deps.jl"), "const python = 1").unwrap();
        let before = built(folder.path()).unwrap().unwrap();
        fs::write(deps.join("build.log"), "more").unwrap();
        assert_eq!(built(folder.path()).unwrap(), Some(before));
        fs::write(deps.join("deps.jl"), "const python = 2").unwrap();
        assert_ne!(built(folder.path()).unwrap(), Some(before));
    }
}
