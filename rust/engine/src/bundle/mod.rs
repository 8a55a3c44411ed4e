//! Folders that go to other machines: which libraries they need, and what they hold.

pub mod audit;
pub mod closure;
pub mod elf;

/// Whether `name` belongs to the C library, which every system brings, and which only fits to itself.
pub fn is_of_libc(name: &str) -> bool {
    const STEMS: [&str; 12] = [
        "libc",
        "libm",
        "libdl",
        "libpthread",
        "librt",
        "libresolv",
        "libutil",
        "libanl",
        "libmvec",
        "libnsl",
        "libBrokenLocale",
        "libthread_db",
    ];
    let stem = name.split(".so").next().unwrap_or(name);
    name.starts_with("ld-") || name.starts_with("libnss_") || STEMS.contains(&stem)
}

#[cfg(test)]
mod tests {
    use super::is_of_libc;

    #[test]
    fn the_c_library_is_known_by_its_names() {
        for name in [
            "libc.so.6",
            "ld-linux-x86-64.so.2",
            "libm.so.6",
            "libnss_dns.so.2",
        ] {
            assert!(is_of_libc(name), "{name}");
        }
        for name in [
            "libcurl.so.4",
            "libmpfr.so.6",
            "libstdc++.so.6",
            "libgcc_s.so.1",
        ] {
            assert!(!is_of_libc(name), "{name}");
        }
    }
}
