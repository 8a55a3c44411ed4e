//! The files that a script includes, as Julia would.

use std::fs;
use std::path::Path;

use pcrs_cache::{Includes, include_closure};
use proptest::prelude::*;
use tempfile::TempDir;

fn write(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

/// Of `main.jl`, in the folder of `files`.
fn closure(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let dir = write(files);
    let found = include_closure(&dir.path().join("main.jl")).unwrap();
    let relative = |path: &Path| {
        let path = path.strip_prefix(dir.path()).unwrap();
        path.to_str().unwrap().replace('\\', "/")
    };
    (
        found.files[1..].iter().map(|path| relative(path)).collect(),
        found
            .missing
            .iter()
            .map(|site| relative(site.text.as_ref()))
            .collect(),
        found
            .dynamic
            .iter()
            .map(|site| format!("{}:{} {}", relative(&site.file), site.line, site.text))
            .collect(),
    )
}

/// What one line includes: "x.jl", "a/b.jl" and "d/x.jl" are there.
#[track_caller]
fn one(line: &str) -> Vec<String> {
    let (files, missing, dynamic) = closure(&[
        ("main.jl", line),
        ("x.jl", ""),
        ("a/b.jl", ""),
        ("d/x.jl", ""),
        ("$x.jl", ""),
        // No name for Windows.
        #[cfg(unix)]
        ("a\"b.jl", ""),
    ]);
    assert!(
        missing.is_empty() && dynamic.is_empty(),
        "{line}: {missing:?} {dynamic:?}"
    );
    files
}

#[test]
fn literal_paths_are_followed() {
    for line in [
        r#"include("x.jl")"#,
        r#"include( "x.jl" )"#,
        r#"include("./d/../x.jl")"#,
        "include(\n    \"x.jl\",\n)",
        r#"include(raw"x.jl")"#,
        r#"include("""x.jl""")"#,
        r#"Base.include(Main, "x.jl")"#,
        r#"Base.include(@__MODULE__, "x.jl")"#,
        r#"Base.include(expr -> f(expr, "y"), Main, "x.jl")"#,
        r#"include(identity, "x.jl")"#,
        r#"Main.include("x.jl")"#,
        r#"M.N.include("x.jl")"#,
        r#"include(joinpath(@__DIR__, "x.jl"))"#,
        "include(joinpath(@__DIR__,\n  \"x.jl\",\n))",
        r#"include(joinpath(@__DIR__(), "x.jl"))"#,
        r#"include(joinpath(dirname(@__FILE__), "x.jl"))"#,
        r#"include("$(@__DIR__)/x.jl")"#,
        r#"include(string(@__DIR__, "/x.jl"))"#,
        r#"include((@__DIR__) * "/x.jl")"#,
        r#"include("x" * "." * "jl")"#,
        r#"include(normpath(joinpath(@__DIR__, "d", "..", "x.jl")))"#,
        r#"include(abspath(joinpath(@__DIR__, "x.jl")))"#,
        r#"@time include("x.jl")"#,
        r#"@eval Main include("x.jl")"#,
        r#"using A; include("x.jl")"#,
        "using A, B: c,\n  include\ninclude(\"x.jl\")",
        "import Base: +, include, (-)\ninclude(\"x.jl\")",
        "module M\nexport include\ninclude(\"x.jl\")\nend",
        r#"y = "$(include("x.jl"))""#,
        r#"y = "a $(f("(", include("x.jl"))) b""#,
        r#"y = `echo $(include("x.jl"))`"#,
        r#"y = x'; include("x.jl"); z = y'"#,
        r#"y = [1 2]'; include("x.jl")"#,
        r#"y = '"'; include("x.jl"); z = '"'"#,
        r#"y = '\''; include("x.jl")"#,
        r#"y = '\\'; include("x.jl"); z = '\u2200'"#,
        r#"y = '∀'; include("x.jl")"#,
        r#"y = '''; include("x.jl")"#,
        r#"y = "\\"; include("x.jl")"#,
        r#"y = "\""; include("x.jl")"#,
        r#"y = raw"\"; "; include("x.jl")"#,
        r#"y = raw"\\"; include("x.jl")"#,
        r##"y = r"[\"#]"; include("x.jl")"##,
        r##"y = """ " #= """; include("x.jl")"##,
        "#= #= =# include(\"y\") =# include(\"x.jl\") # include(\"z\")",
        r#"y = :(a) ; include("x.jl")"#,
        r#"if false include("x.jl") end"#,
        r#"y != 1 && include("x.jl")"#,
        r#"f!("a"); include("x.jl")"#,
        r#"include_dependency("x.jl")"#,
        r#"include_dependency(joinpath(@__DIR__, "x.jl"); track_content=true)"#,
        r#"include("x.jl") do_something"#,
        r#"ünï = 1; include("x.jl")"#,
        "include(\"x.jl\")\r\n",
    ] {
        assert_eq!(one(line), ["x.jl"], "{line}");
    }
    assert_eq!(one(r#"include(joinpath("a", "b.jl"))"#), ["a/b.jl"]);
    assert_eq!(one(r#"include("\$x.jl")"#), ["$x.jl"]);
    assert_eq!(one(r#"include(raw"$x.jl")"#), ["$x.jl"]);
    #[cfg(unix)]
    for line in [r#"include("a\"b.jl")"#, r#"include(raw"a\"b.jl")"#] {
        assert_eq!(one(line), ["a\"b.jl"]);
    }
}

#[test]
fn what_only_looks_like_an_include_is_not_one() {
    for line in [
        "# include(\"gone.jl\")",
        "#= include(\"gone.jl\") =#",
        "#= #= =#\n include(\"gone.jl\") =#",
        r#"y = "include(\"gone.jl\")""#,
        r#"y = """include("gone.jl")""""#,
        r#"y = raw"$(include("gone.jl"))""#,
        r#"y = r"include(x)""#,
        r#"y = `include x`"#,
        r#"y = "\$(include("gone.jl"))"#,
        r#"include_string(Main, "gone.jl")"#,
        r#"@include("gone.jl")"#,
        r#"myinclude("gone.jl"); include2("gone.jl"); include!("gone.jl")"#,
        "function include(path) end",
        "function Base.include(path) end",
        "include(path) = Base.include_string(Main, path)",
        "const include = identity",
        "f(include = 3)",
        "y = :include",
        "import Base: include",
        "export a,\n  include, b",
        "using A: include",
    ] {
        let dynamic_allowed = line.starts_with("function Base.include");
        let (files, missing, dynamic) = closure(&[("main.jl", line)]);
        assert_eq!((files.len(), missing.len()), (0, 0), "{line}");
        assert!(dynamic.is_empty() || dynamic_allowed, "{line}: {dynamic:?}");
    }
}

#[test]
fn what_only_a_run_tells_is_reported() {
    for line in [
        "include(f)",
        "include(ARGS[1])",
        "include(\"$name.jl\")",
        "include(\"$(name()).jl\")",
        "include(joinpath(dir, \"x.jl\"))",
        "include(joinpath(pkgdir(A), \"x.jl\"))",
        "include(files...)",
        "include(isfile(\"a\") ? \"a\" : \"b\")",
        "include(abspath(\"x.jl\"))",
        "include(\"\\u61.jl\")",
        "include(\"a\0b\")",
        "include()",
        "foreach(include, files)",
        "include.(files)",
        "map(f -> include(f), files)",
        "files .|> include",
    ] {
        let (files, missing, dynamic) = closure(&[("main.jl", &format!("\n{line}"))]);
        assert_eq!((files.len(), missing.len()), (0, 0), "{line}");
        assert_eq!(dynamic.len(), 1, "{line}: {dynamic:?}");
        let place = dynamic[0].strip_prefix("main.jl:2 ").unwrap();
        // What is no call is quoted with its line.
        assert!(place.starts_with("include") || place == line, "{dynamic:?}");
    }
}

#[test]
fn a_name_that_is_compared_is_not_called() {
    for line in [
        "if f === include",
        "(f === other || f === Core.include)",
        "f != A.B.include",
        "include == f",
        "include !== f",
    ] {
        let (_, _, dynamic) = closure(&[("main.jl", line)]);
        assert_eq!(dynamic, [""; 0], "{line}");
    }
    for line in ["f = include", "f != g ? include : h"] {
        let (_, _, dynamic) = closure(&[("main.jl", line)]);
        assert_eq!(dynamic, [format!("main.jl:1 {line}")]);
    }
}

#[test]
fn paths_are_relative_to_the_file_that_includes_them() {
    let (files, missing, dynamic) = closure(&[
        ("main.jl", "include(\"a/one.jl\")\ninclude(\"last.jl\")"),
        (
            "a/one.jl",
            "include(\"two.jl\"); include(\"../b/three.jl\"); include(\"last.jl\")",
        ),
        ("a/two.jl", "include(joinpath(@__DIR__, \"four.jl\"))"),
        ("a/four.jl", "include(x)"),
        ("b/three.jl", ""),
        ("last.jl", ""),
    ]);
    assert_eq!(files.len(), 5);
    assert_eq!(files[0], "a/one.jl");
    assert!(
        ["a/two.jl", "b/three.jl", "a/four.jl", "last.jl"]
            .iter()
            .all(|f| files.contains(&(*f).into()))
    );
    assert_eq!(missing, ["a/last.jl"]);
    assert_eq!(dynamic, ["a/four.jl:1 include(x)"]);
}

#[test]
fn cycles_end_and_each_file_is_listed_once() {
    let (files, missing, _) = closure(&[
        (
            "main.jl",
            "include(\"main.jl\"); include(\"a.jl\"); include(\"./a.jl\")",
        ),
        (
            "a.jl",
            "include(\"main.jl\"); include(\"d/../a.jl\"); include(\"d\")",
        ),
        ("d/x", ""),
    ]);
    assert_eq!(files, ["a.jl"]);
    assert_eq!(missing, ["d"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_links_to_itself_ends_too() {
    let dir = write(&[("main.jl", "include(\"here/main.jl\")")]);
    std::os::unix::fs::symlink(".", dir.path().join("here")).unwrap();
    let found = include_closure(&dir.path().join("main.jl")).unwrap();
    assert!(found.files.len() < 100);
}

#[test]
fn dependencies_are_listed_and_searched_only_when_included_too() {
    let data = ("data.jl", "include(\"gone.jl\")");
    let (files, missing, _) = closure(&[("main.jl", "include_dependency(\"data.jl\")"), data]);
    assert_eq!((files.len(), missing.len()), (1, 0));
    let both = "include_dependency(\"data.jl\"); include(\"data.jl\")";
    let (files, missing, _) = closure(&[("main.jl", both), data]);
    assert_eq!((files.len(), missing.len()), (1, 1));
}

#[test]
fn folders_are_listed_where_they_are_dependencies() {
    let dir = write(&[
        (
            "main.jl",
            "include_dependency(\"d\"); include_dependency(joinpath(@__DIR__, \"d\")); \
             include_dependency(\"x\"); include(\"a\")",
        ),
        ("a/x", ""),
        ("d/main.jl", "include(\"gone.jl\")"),
    ]);
    let found = include_closure(&dir.path().join("main.jl")).unwrap();
    assert_eq!(found.folders, [dir.path().join("d")]);
    assert_eq!(found.files, [dir.path().join("main.jl")]);
    let missing: Vec<&Path> = found
        .missing
        .iter()
        .map(|site| site.text.as_ref())
        .collect();
    assert_eq!(missing, [dir.path().join("x"), dir.path().join("a")]);
}

#[test]
fn a_script_that_is_not_there_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let error = include_closure(&dir.path().join("gone.jl")).unwrap_err();
    assert_eq!(error.path, dir.path().join("gone.jl"));
}

fn search(text: &[u8]) -> Includes {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("main.jl");
    fs::write(&path, text).unwrap();
    include_closure(&path).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_are_searched(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        search(&bytes);
    }

    #[test]
    fn any_pieces_of_code_are_searched(pieces in prop::collection::vec(prop::sample::select(vec![
        "include", "(", ")", "\"", "\"\"\"", "$(", "$", "'", "\\", "#=", "=#", "#", "\n", "`", "raw",
        "@__DIR__", "joinpath", ",", "*", " ", "a", "∀", "=", "import", ":", ";", "[", "}", "b!", "1",
    ]), 0..60)) {
        search(pieces.concat().as_bytes());
    }
}

#[test]
fn deep_nesting_is_no_trouble() {
    for piece in [
        "\"$(",
        "(",
        "include(",
        "include(\"$(",
        "joinpath(",
        "#=",
        "include((",
        "string(\"$(",
    ] {
        search(format!("include({}", piece.repeat(5_000)).as_bytes());
    }
}
