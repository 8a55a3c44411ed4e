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
fn a_call_may_go_on_over_lines() {
    for call in [
        "precompile(\n    Tuple{\n        typeof(f),\n        Array{T,1} where T,\n    },\n    (\n    \
         a=1,\n    ),\n)",
        "precompile(\r\n\tTuple{typeof(f),\r\n\r\n  Array{T, 1} where T},\r\n(a=1,))",
        "  @assert Base.precompile( # (\n  # precompile(g, ())\n Tuple{typeof(f) #= ) =#,\n#= ( \n\
         precompile(h, ())\n=#\nArray{T, 1} where T}, (a=1,)); # done",
        "isdefined(M, :f) &&\n\n    Base.precompile(Tuple{typeof(f),\nArray{T, 1} where T}, (a=1,))",
        "\u{1b}[32mprecompile(\u{1b}[0m\n\u{1b}[32mTuple{typeof(f), Array{T, 1} where T},\u{1b}[0m\n\
         (a=1,))",
    ] {
        let merged = file(&format!("precompile(a, ())\n{call}\nprecompile(b, ())\n"));
        let expected = [
            "precompile(a, ())",
            "precompile(Tuple{typeof(f), Array{T, 1} where T}, (a=1,))",
            "precompile(b, ())",
        ];
        assert_eq!(texts(&merged), expected, "{call}");
        assert_eq!(rejects(&merged), [], "{call}");
        let lines: Vec<u32> = merged.statements.iter().map(|s| s.line).collect();
        let after = 3 + u32::try_from(call.matches('\n').count()).unwrap();
        assert_eq!(lines, [1, 2, after], "{call}");
        assert_eq!(merged.lines, u64::from(after), "{call}");
    }
}

#[test]
fn a_call_over_lines_is_the_same_statement_as_on_one() {
    let merged = file("precompile(f, (Int,))\nprecompile(\n  f, (Int,)) # recompile\n");
    assert_eq!(texts(&merged), ["precompile(f, (Int,))"]);
    assert_eq!(merged.duplicates, 1);
    assert!(merged.statements.get(0).unwrap().recompile);
}

#[test]
fn traces_have_a_statement_a_line() {
    let merged = trace("precompile(\nf, ())\nprecompile(g, ())\n");
    assert_eq!(texts(&merged), ["precompile(g, ())"]);
    assert_eq!(rejects(&merged), [(1, Malformed), (2, NotAStatement)]);
}

#[test]
fn a_stray_start_takes_no_statement_with_it() {
    for stray in [
        "precompile(",
        "precompile(f,",
        "precompile(Tuple{typeof(f), [",
        "precompile(Tuple{typeof(f)",
        "precompile(f, \"",
        "precompile(f, \"\"\"",
        "precompile(f, A.var\"a\\",
        "precompile(f, 'a",
        "precompile(f #= open",
        "precompile(f # open",
        "@assert Base.precompile(f, (Int,",
    ] {
        for next in [
            "precompile(g, ())",
            "Base.precompile(g, ())",
            "  isdefined(M, :g) && precompile(g, ())",
            "@assert precompile(g, ())",
            "\n\n# )\nprecompile(g, ())",
            "#= ( =# precompile(g, ())\n)\n",
            "# \"\nprecompile(g, ())\n)))}]\"\n",
        ] {
            let text = format!("{stray}\n{next}\nprecompile(h, ())\n");
            let merged = file(&text);
            assert_eq!(
                texts(&merged),
                ["precompile(g, ())", "precompile(h, ())"],
                "{text}"
            );
            let first = &merged.rejected[0];
            assert_eq!(first.line, 1, "{text}");
            assert_ne!(first.reason, NotAStatement, "{text}");
            assert_eq!(&*first.text, stray, "{text}");
        }
    }
}

#[test]
fn lines_of_what_is_no_call_are_taken_one_by_one() {
    let merged = file("precompile(\n    f(,\n    Int\n)\nprecompile(g, ())\n");
    assert_eq!(texts(&merged), ["precompile(g, ())"]);
    assert_eq!(
        rejects(&merged),
        [
            (1, Malformed),
            (2, NotAStatement),
            (3, NotAStatement),
            (4, NotAStatement),
        ]
    );
    let guard = file("isdefined(M, :f) &&\n  f()\n");
    assert_eq!(rejects(&guard), [(1, NotAStatement), (2, NotAStatement)]);
}

#[test]
fn a_whole_call_over_lines_is_rejected_as_one() {
    for (call, reason) in [
        ("precompile(\n    f,\n) && evil()", Unsafe),
        ("precompile(\n    fbody,\n    (Int,),\n)", KeywordBody),
        ("precompile(\n    # nothing\n)", Malformed),
    ] {
        let merged = file(&format!("{call}\nprecompile(g, ())\n"));
        assert_eq!(texts(&merged), ["precompile(g, ())"], "{call}");
        assert_eq!(rejects(&merged), [(1, reason)], "{call}");
        assert!(!merged.rejected[0].text.contains('\n'));
    }
}

#[test]
fn a_line_end_has_to_be_where_it_means_nothing() {
    for call in [
        "precompile(f\n(Int,))",
        "precompile(f, \"a\nb\")",
        "precompile(f, A.var\"a\\\nb\")",
        "precompile(f, [Int\nInt])",
        "precompile(f, [1\n-1])",
        "precompile(f, [1\n])",
        "precompile(f, A\nwhere T)",
        "precompile(f, -\n1)",
        "precompile(f, A\n.b)",
    ] {
        let merged = file(call);
        assert_eq!(merged.statements.len(), 0, "{call}");
        assert_eq!(rejects(&merged)[0], (1, Malformed), "{call}");
    }
}

#[test]
fn a_call_cut_off_after_some_lines_is_truncated() {
    for ending in ["", "\n", "\r\n", "\n\n  # end"] {
        let merged = file(&format!(
            "precompile(f, ())\nprecompile(\n  Tuple{{a,{ending}"
        ));
        assert_eq!(texts(&merged), ["precompile(f, ())"], "{ending:?}");
        assert_eq!(
            rejects(&merged),
            [(2, Truncated), (3, NotAStatement)],
            "{ending:?}"
        );
    }
}

#[test]
fn a_call_has_a_bounded_number_of_lines() {
    let call = |lines: usize| format!("precompile(\n{}f)\n", "# a\n".repeat(lines - 2));
    let text = call(256) + &call(257) + "precompile(g)\n";
    let merged = file(&text);
    assert_eq!(texts(&merged), ["precompile(f)", "precompile(g)"]);
    assert_eq!(rejects(&merged), [(257, Malformed), (513, NotAStatement)]);
    assert_eq!(merged.lines, 514);
    let long = format!("precompile(\n{}f)\n", "x,\n#\n".repeat(200_000));
    assert_eq!(rejects(&file(&long))[0], (1, Malformed));
}

#[test]
fn a_comment_behind_a_call_over_lines_goes_on() {
    let merged = file("precompile(\nf) #= open\nprecompile(g)\n=#\nprecompile(h)\n");
    assert_eq!(texts(&merged), ["precompile(f)", "precompile(h)"]);
    let merged = file("precompile(\nf) #= open\nprecompile(g)\n");
    assert_eq!(rejects(&merged), [(2, Truncated)]);
    let merged = file("#= a\n=# precompile(\nf)\n");
    assert_eq!(texts(&merged), ["precompile(f)"]);
    assert_eq!(merged.statements.get(0).unwrap().line, 2);
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
fn every_line_that_may_be_a_statement_is_kept() {
    let count = 20 * Merged::OTHERS_KEPT;
    let text: String = (0..count)
        .map(|i| format!("output {i}\nx = precompile(f{i}, (Int,))\nprecompile(f{i}, <{i}>)\n"))
        .collect();
    let mut merger = Merger::new();
    for kind in [SourceKind::StatementFile, SourceKind::Trace] {
        merger.add_reader(kind, text.as_bytes()).unwrap();
    }
    let merged = merger.finish();
    assert_eq!(merged.rejected_total, 6 * count as u64);
    // Those of the second source have places of their own.
    assert_eq!(merged.rejected.len(), 4 * count + Merged::OTHERS_KEPT * 2);
    let others = (count - Merged::OTHERS_KEPT) as u64;
    let unlisted: Vec<_> = merged
        .unlisted
        .iter()
        .map(|u| (u.source, u.line, u.lines))
        .collect();
    let line = 3 * Merged::OTHERS_KEPT as u32 + 1;
    assert_eq!(unlisted, [(0, line, others), (1, line, others)]);
    let listed = merged.rejected.len() as u64 + merged.rejected_again;
    let unlisted: u64 = merged.unlisted.iter().map(|u| u.lines).sum();
    assert_eq!(listed + unlisted, merged.rejected_total);
}

#[test]
fn a_rejected_line_is_kept_once() {
    let long = |end: &str| format!("precompile({}, <{end}>)\n", "f".repeat(500));
    let text = [
        "oops\n",
        "  oops\r\n",
        &long("1"),
        &long("2"),
        &long("1"),
        "precompile(\n<1>)\n",
        "precompile(\n<2>)\n",
    ]
    .concat();
    let merged = file(&text);
    let lines: Vec<u32> = merged.rejected.iter().map(|r| r.line).collect();
    // The start of a call says too little to be the same as another.
    assert_eq!(lines, [1, 3, 4, 6, 7, 8, 9]);
    assert_eq!((merged.rejected_total, merged.rejected_again), (9, 2));
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
