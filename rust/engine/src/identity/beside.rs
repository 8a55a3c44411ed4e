//! The names of what builds leave beside an image: `X.so` has the stamp `X.so.json`, the log
//! `X.so.log` (or `X.so.2.log`, where another file has that name) if its build failed, and, while it
//! is built, a folder `.X.so.build-…`. Launchers that keep it fresh have a folder `X.so.refresh`. On Windows there
//! may be `X.old-PID`, an older image that was in use when it was replaced.

use std::path::{Path, PathBuf};

use crate::plan::file_name;

const STAMP: &str = ".json";
const LOG: &str = ".log";
const REFRESH: &str = ".refresh";
const BUILD: &str = ".build-";
const OLD: &str = "old-";
/// Bytes of the image's name that are in that of the work folder.
const NAME: usize = 200;

/// Where the stamp of `image` is.
pub fn stamp(image: &Path) -> PathBuf {
    image.with_file_name(file_name(image) + STAMP)
}

/// Where the stamp of the image at `path`, which may be a link, is to be read: beside the file that it
/// leads to, unless only the link has one.
pub fn stamp_of(path: &Path) -> PathBuf {
    let real = path.canonicalize().map(|image| stamp(&image));
    match real {
        Ok(real) if real.exists() => real,
        _ => stamp(path),
    }
}

/// Where the log of a failed build of `image` may be, the usual place first.
pub fn logs(image: &Path) -> impl Iterator<Item = PathBuf> {
    let names = (1..=9).map(|number| match number {
        1 => file_name(image) + LOG,
        _ => format!("{}.{number}{LOG}", file_name(image)),
    });
    names.map(|name| image.with_file_name(name))
}

/// Where the process `pid` may move `image` aside that is in use, the usual place first.
pub fn aside(image: &Path, pid: u32) -> impl Iterator<Item = PathBuf> {
    (1..=99).map(move |number| match number {
        1 => image.with_extension(format!("{OLD}{pid}")),
        _ => image.with_extension(format!("{OLD}{pid}-{number}")),
    })
}

/// Whether `path` is named as an image that was moved aside: by the number of a process, and no date, which has
/// eight digits.
pub fn is_aside(path: &Path) -> bool {
    let number = |text: &str, digits| {
        (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let ending = path.extension().and_then(|ending| ending.to_str());
    let named = ending.and_then(|ending| ending.strip_prefix(OLD));
    named.is_some_and(|named| match named.split_once('-') {
        Some((pid, again)) => number(pid, 7) && number(again, 2),
        None => number(named, 7),
    })
}

/// Where launchers keep what they need to tell whether `image` still fits (`julia/watch.jl`).
pub fn refresh_folder(image: &Path) -> PathBuf {
    image.with_file_name(file_name(image) + REFRESH)
}

/// How the names of work folders for `image` begin.
pub fn work_folder(image: &Path) -> String {
    // A file system takes names of up to 255 bytes, and the image's own may be as long.
    let mut name = file_name(image);
    let end = (0..=NAME.min(name.len())).rev();
    let end = end.into_iter().find(|at| name.is_char_boundary(*at));
    name.truncate(end.unwrap_or(0));
    format!(".{name}{BUILD}")
}

/// The image that the file at `path` would be the stamp of.
pub fn image_of(path: &Path) -> Option<PathBuf> {
    without(path, STAMP)
}

/// Whether the file at `path` is named as the log of a failed build.
pub fn is_log(path: &Path) -> bool {
    let numbered = (2..=9).any(|number| without(path, &format!(".{number}{LOG}")).is_some());
    numbered || without(path, LOG).is_some()
}

/// Whether `path` is named as the work folder of a build.
pub fn is_work_folder(path: &Path) -> bool {
    let name = file_name(path);
    name.starts_with('.') && name.contains(BUILD)
}

/// Whether the folder at `path` is named as [`refresh_folder`] of an image.
pub fn is_refresh_folder(path: &Path) -> bool {
    without(path, REFRESH).is_some()
}

fn without(path: &Path, ending: &str) -> Option<PathBuf> {
    let name = file_name(path);
    let image = name.strip_suffix(ending)?;
    let library = [".so", ".dylib", ".dll"].iter().any(|e| image.ends_with(e));
    library.then(|| path.with_file_name(image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_and_images_find_each_other() {
        let image = Path::new("/a/X.so");
        assert_eq!(stamp(image), Path::new("/a/X.so.json"));
        assert_eq!(image_of(&stamp(image)).as_deref(), Some(image));
        assert_eq!(image_of(Path::new("/a/settings.json")), None);
        assert!(logs(image).all(|log| is_log(&log)));
        assert_eq!(
            logs(image).next().as_deref(),
            Some(Path::new("/a/X.so.log"))
        );
        assert!(!is_log(Path::new("/a/build.log")));
        let mut moved = aside(image, 12);
        assert_eq!(moved.next().as_deref(), Some(Path::new("/a/X.old-12")));
        assert!(moved.all(|path| is_aside(&path)));
        let others = ["notes", "", "-", "20240101", "2024-01-02", "1-", "-1"];
        assert!(
            others
                .iter()
                .all(|other| !is_aside(&image.with_extension(format!("{OLD}{other}"))))
        );
        assert!(!is_aside(image));
    }
}
