//! The store that a plan's cache is, and whether it may be trusted.

use pcrs_cache::Store;

use crate::plan::CachePlan;

pub fn of(cache: &CachePlan) -> Store {
    Store::new(&cache.dir).shared(cache.shared)
}

/// The store, if what is in it may be taken.
pub fn trusted(cache: &CachePlan) -> Option<Store> {
    doubt(cache).is_none().then(|| of(cache))
}

/// Why nothing is to be taken from a cache: what is in it would be run, and may be somebody else's.
pub fn doubt(cache: &CachePlan) -> Option<String> {
    let (path, why) = of(cache).doubt()?;
    Some(format!(
        "the cache in `{}` is not used: `{}` {why}, and an image from it would run their code; once \
         you know what is in it, close it to others (`chmod -R go-w`), name another folder with \
         `PCRS_CACHE_DIR`, or set `PCRS_CACHE_SHARED=1` if you trust all who can write there",
        cache.dir.display(),
        path.display()
    ))
}
