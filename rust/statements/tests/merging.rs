//! Sources with more than one line: places, counts, and what goes on from line to line.

use std::io::{self, BufReader, Read};

use pcrs_statements::RejectReason::{self, *};
use pcrs_statements::{Merged, Merger, SourceFile, SourceKind, merge};

fn merged(kind: SourceKind, text: &str) -> Merged {
    let mut merger = Merger::new();
    // A small buffer, so that lines do not end where reads do.
    merger
        .add_reader(kind, BufReader::with_capacity(7, text.as_bytes()))
        .unwrap();
    merger.finish()
}

fn trace(text: &str) -> Merged {
    merged(SourceKind::Trace, text)
}

fn file(text: &str) -> Merged {
    merged(SourceKind::StatementFile, text)
}

fn texts(merged: &Merged) -> Vec<&str> {
    merged.statements.iter().map(|s| s.text).collect()
}

fn rejects(merged: &Merged) -> Vec<(u32, RejectReason)> {
    merged.rejected.iter().map(|r| (r.line, r.reason)).collect()
}

#[test]
fn places_and_counts() {
    let mut merger = Merger::new();
    let first = "\nprecompile(f, (Int,))\nprecompile(g, (Int,)) # recompile\noops\n";
    let second = "precompile(h, (Int,))\r\nprecompile(f,(Int, ))\r\n# done\r\n";
    merger
        .add_reader(SourceKind::Trace, first.as_bytes())
        .unwrap();
    merger
        .add_reader(SourceKind::StatementFile, second.as_bytes())
        .unwrap();
    let merged = merger.finish();
    let found: Vec<_> = merged
        .statements
        .iter()
        .map(|s| (s.text, s.source, s.line, s.times, s.recompile))
        .collect();
    assert_eq!(
        found,
        [
            ("precompile(f, (Int,))", 0, 2, 2, false),
            ("precompile(g, (Int,))", 0, 3, 1, true),
            ("precompile(h, (Int,))", 1, 1, 1, false),
        ]
    );
    assert_eq!(merged.lines, 7);
    assert_eq!(merged.duplicates, 1);
    assert_eq!(rejects(&merged), [(4, NotAStatement)]);
    assert_eq!(&*merged.rejected[0].text, "oops");
}

#[test]
fn a_cut_off_last_line_is_truncated() {
    for cut in [
        "precompile(Tuple{typeof(f)",
        "precompile(Tuple{\"a",
        "precompile(",
        "precompile",
        "pre",
        "p",
        "Base.precomp",
        "#= 39.1 ms",
        "precompile(f, (Int,)",
        "precompile(f, (Int,)\n",
    ] {
        let merged = trace(&format!("precompile(f, (Int,))\n{cut}"));
        assert_eq!(texts(&merged), ["precompile(f, (Int,))"], "{cut}");
        assert_eq!(rejects(&merged), [(2, Truncated)], "{cut}");
    }
    let whole = trace("precompile(f, (Int,))\nprecompile(g, (Int,))");
    assert_eq!(whole.statements.len(), 2);
    assert_eq!(whole.rejected_total, 0);
}

#[test]
fn a_statement_over_several_lines_is_reported() {
    let merged =
        file("precompile(\n    Tuple{\n        typeof(f),\n    },\n)\nprecompile(g, ())\n");
    assert_eq!(texts(&merged), ["precompile(g, ())"]);
    assert_eq!(
        rejects(&merged),
        [
            (1, Malformed),
            (2, NotAStatement),
            (3, NotAStatement),
            (4, NotAStatement),
            (5, NotAStatement),
        ]
    );
}

#[test]
fn block_comments_span_lines_in_files_only() {
    let text = "#= precompile(a, ())\nprecompile(b, ())\n#= =#\n=# precompile(c, ())\n";
    assert_eq!(texts(&file(text)), ["precompile(c, ())"]);
    assert_eq!(file(text).rejected_total, 0);
    let in_trace = trace(text);
    assert_eq!(texts(&in_trace), ["precompile(b, ())"]);
    assert_eq!(rejects(&in_trace), [(1, Malformed), (4, NotAStatement)]);
    let behind = "precompile(a, ()) #= open\nprecompile(b, ())\n=#\nprecompile(c, ())\n";
    assert_eq!(
        texts(&file(behind)),
        ["precompile(a, ())", "precompile(c, ())"]
    );
    assert_eq!(trace(behind).statements.len(), 3);
}

#[test]
fn a_comment_that_never_ends_is_reported_where_it_starts() {
    let merged = file("precompile(a, ())\nprecompile(b, ()) #= open\nprecompile(c, ())\n");
    assert_eq!(merged.statements.len(), 2);
    assert_eq!(rejects(&merged), [(2, Truncated)]);
    let ended = file("#= a\n=# #= b\n=#\n");
    assert_eq!(ended.rejected_total, 0);
}

#[test]
fn scaffold_belongs_to_files_only() {
    let text = "function _precompile_()\n    ccall(:jl_generating_output, Cint, ()) == 1 || return \
                nothing\n    Base.precompile(Tuple{typeof(f),Int})   # time: 0.1\n    let fbody = \
                try __lookup_kwbody__(which(f, (Int,))) catch missing end\n        if \
                !ismissing(fbody)\n            precompile(fbody, (Int,typeof(f),))\n        \
                end\n    end   # time: 0.01\nend\n";
    let merged = file(text);
    assert_eq!(texts(&merged), ["precompile(Tuple{typeof(f), Int})"]);
    assert_eq!(rejects(&merged), [(6, KeywordBody)]);
    assert_eq!(merged.scaffold, 7);
    assert_eq!(trace(text).scaffold, 0);
    assert_eq!(trace(text).rejected_total, 8);
}

#[test]
fn rejected_lines_are_counted_beyond_those_kept() {
    let merged = trace(&"oops\n".repeat(Merged::REJECTED_KEPT + 5));
    assert_eq!(merged.rejected.len(), Merged::REJECTED_KEPT);
    assert_eq!(merged.rejected_total, Merged::REJECTED_KEPT as u64 + 5);
}

#[test]
fn a_line_without_end_is_not_held() {
    let endless = io::repeat(b'x').take(64 << 20);
    let rest = &b"\nprecompile(f, ())\n"[..];
    let mut merger = Merger::new();
    merger
        .add_reader(SourceKind::Trace, BufReader::new(endless.chain(rest)))
        .unwrap();
    let merged = merger.finish();
    assert_eq!(rejects(&merged), [(1, TooBig)]);
    assert_eq!(texts(&merged), ["precompile(f, ())"]);
    assert_eq!(merged.statements.get(0).unwrap().line, 2);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = merge(&[SourceFile {
        path: "no/such/trace.jl".into(),
        kind: SourceKind::Trace,
    }])
    .unwrap_err();
    assert_eq!(error.path.to_str(), Some("no/such/trace.jl"));
    assert!(error.to_string().contains("no/such/trace.jl"));
}

#[test]
fn what_was_read_before_an_error_is_kept() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk"))
        }
    }
    let mut merger = Merger::new();
    let reader = BufReader::new((&b"precompile(f, ())\n"[..]).chain(Failing));
    assert!(merger.add_reader(SourceKind::Trace, reader).is_err());
    assert_eq!(merger.finish().statements.len(), 1);
}
