//! Each trap that a line can hold, one row a trap.

use pcrs_statements::RejectReason::{self, *};
use pcrs_statements::{Line, parse_line};

fn statement(line: &str) -> Result<(String, bool), Line<'_>> {
    match parse_line(line) {
        Line::Statement { text, recompile } => Ok((text.into_owned(), recompile)),
        other => Err(other),
    }
}

fn assert_taken_as_is(lines: &[&str]) {
    for line in lines {
        assert_eq!(statement(line), Ok((line.to_string(), false)), "{line}");
    }
}

fn assert_becomes(rows: &[(&str, &str)]) {
    for (line, text) in rows {
        assert_eq!(statement(line), Ok((text.to_string(), false)), "{line}");
    }
}

fn assert_rejected(reason: RejectReason, lines: &[&str]) {
    for line in lines {
        assert_eq!(parse_line(line), Line::Rejected(reason), "{line}");
    }
}

#[test]
fn what_julia_traces() {
    assert_taken_as_is(&[
        "precompile(Tuple{typeof(Base.foo)})",
        "precompile(Tuple{typeof(Base.setindex!), Base.Dict{String, Any}, Int64, String})",
        "precompile(Tuple{typeof(Base.:(+)), Int64, Float64})",
        "precompile(Tuple{typeof(Base.:(==)), Int64, Float64})",
        "precompile(Tuple{typeof(Base.:(<:)), Int64, Float64})",
        "precompile(Tuple{typeof(Base.:(\\)), Int64, Float64})",
        "precompile(Tuple{typeof(Base.:(!)), Bool})",
        "precompile(Tuple{typeof(Base.:(:)), Int64, Int64})",
        "precompile(Tuple{typeof(Base.:(∘)), Any, Any})",
        "precompile(Tuple{typeof(Base.in), Any, Any})",
        "precompile(Tuple{typeof(Core.isa), Any, Any})",
        "precompile(Tuple{Type{Array{T, 1} where T}, UndefInitializer, Int64})",
        "precompile(Tuple{Type{(Base.Dict{K, V} where V) where K}})",
        "precompile(Tuple{Type{NamedTuple{names, T} where T<:Tuple where names}, Tuple{Bool}})",
        "precompile(Tuple{typeof(Base.f), Vararg{Any, N} where N})",
        "precompile(Tuple{Base.Val{:x}, Base.Val{:end}, Base.Val{1.0f0}, Base.Val{-3}})",
        "precompile(Tuple{Base.Val{(:a, 1)}, Base.Val{()}, Base.Val{true}})",
        "precompile(Tuple{Base.Val{(a=1, b=-2)}})",
        "precompile(Tuple{Base.Val{Base.Complex{Float64}(re=1.0, im=2.0)}})",
        "precompile(Tuple{Base.Val{Char(0x61000000)}, Base.Val{0x0f}})",
        "precompile(Tuple{typeof(Main.λ∇₁), Main.x̂, Main.α′})",
        "precompile(Tuple{Main.var\"#λ##kw\", NamedTuple{(:k,), Tuple{Int64}}, typeof(Main.λ)})",
        "precompile(Tuple{Base.var\"#12#13\"{Int64}, Int64})",
        "precompile(Tuple{getfield(Main, Symbol(\"##foo#234\")), Int64})",
        "precompile(Tuple{GenericMemory{:not_atomic, UInt8, Core.AddrSpace{Core}(0x00)}})",
        "precompile(Tuple{typeof(Core.kwcall), NamedTuple{(:by,), Tuple{Bool}}, typeof(f)})",
        "precompile(Tuple{Union{}, Type{Union{Int64, Nothing}}})",
    ]);
}

#[test]
fn what_people_and_snoopcompile_write() {
    assert_taken_as_is(&[
        "precompile(f, (Int,))",
        "precompile(f, ())",
        "precompile(Tuple{typeof(f)}, Int)",
        "precompile(Tuple{Core.kwftype(typeof(f)), Any, typeof(f)})",
        "precompile(Tuple{typeof(==), Any, Any})",
        "precompile(Tuple{Fix2{typeof(in), Vector{Char}}, Char})",
        "precompile(Tuple{typeof(:), typeof(!), typeof(=>), typeof(<:), typeof(√)})",
        "precompile(Tuple{Vector{<:Real}, Vector{>:Int}})",
        "precompile(Tuple{T} where {T<:Real, N})",
        "precompile(f, (@NamedTuple{a::Int, b::Vector{Int}}, Int))",
        "precompile(f, (Base.@Kwargs{}, Int))",
        "precompile(which(f, (Int,)).sig)",
        "precompile(f, (Int, Vararg{Int}...))",
        "precompile(f, (typeof(1:2:3), typeof(1 => 2)))",
        "precompile(f, [Int, Float64][1])",
    ]);
    assert_becomes(&[
        ("Base.precompile(f, (Int,))", "precompile(f, (Int,))"),
        ("@assert precompile(f, (Int,))", "precompile(f, (Int,))"),
        (
            "@assert Base.precompile(f, (Int,))",
            "precompile(f, (Int,))",
        ),
        ("@warnpcfail precompile(f, (Int,))", "precompile(f, (Int,))"),
        (
            "isdefined(M, Symbol(\"#3#4\")) && precompile(Tuple{getfield(M, Symbol(\"#3#4\")),Int})",
            "precompile(Tuple{getfield(M, Symbol(\"#3#4\")), Int})",
        ),
        (
            "  isdefined(M.N, :f) && Base.precompile(M.N.f, (Int,))  # time: 0.1",
            "precompile(M.N.f, (Int,))",
        ),
    ]);
}

#[test]
fn type_variables_without_a_name_are_read() {
    assert_becomes(&[
        (
            "precompile(f, (AbstractUnitRange{#s45} where #s45<:Real,))",
            "precompile(f, (AbstractUnitRange{var\"#s45\"} where var\"#s45\"<:Real,))",
        ),
        (
            "precompile(Tuple{Type{Dict{K, #s2} where #s2}, Vararg{#s1, N}} where #s1 where N)",
            "precompile(Tuple{Type{Dict{K, var\"#s2\"} where var\"#s2\"}, Vararg{var\"#s1\", N}} \
             where var\"#s1\" where N)",
        ),
        (
            "precompile(A{#s1,#s2} where {Int<:#s1<:#s2,#s2>:B})",
            "precompile(A{var\"#s1\", var\"#s2\"} where {Int<:var\"#s1\"<:var\"#s2\", \
             var\"#s2\">:B})",
        ),
    ]);
    // These are comments.
    for line in [
        "precompile(f, (Int,)) #s45",
        "precompile(f, #s45 is\n (Int,))",
        "precompile(Tuple{typeof(f), #s45 is\n Int})",
        "precompile(Tuple{typeof(f), #s\n Int})",
        "precompile(f #s45,\n, (Int,))",
    ] {
        let parsed = statement(line);
        assert!(
            matches!(&parsed, Ok((text, _)) if !text.contains('#')),
            "{line} {parsed:?}"
        );
    }
}

#[test]
fn blanks_are_normalised() {
    assert_becomes(&[
        ("precompile(Tuple{ A,B })", "precompile(Tuple{A, B})"),
        ("precompile(Tuple{A , B})", "precompile(Tuple{A, B})"),
        ("precompile(Tuple{A,\t  B})", "precompile(Tuple{A, B})"),
        ("precompile( f , ( Int , ) )", "precompile(f, (Int,))"),
        (
            "precompile(Array{T,1}  where   T)",
            "precompile(Array{T, 1} where T)",
        ),
        ("precompile(A where{T})", "precompile(A where{T})"),
        ("precompile(Tuple{A <: B})", "precompile(Tuple{A <: B})"),
        ("precompile(Tuple{A<:B})", "precompile(Tuple{A<:B})"),
        ("precompile(a -b)", "precompile(a -b)"),
        ("precompile([ ])", "precompile([])"),
        ("precompile(f(A,),)", "precompile(f(A))"),
        (
            "precompile(Tuple{A, B{C,},  })",
            "precompile(Tuple{A, B{C}})",
        ),
        ("precompile((A,), [B,])", "precompile((A,), [B,])"),
    ]);
}

#[test]
fn blanks_inside_quotes_stay() {
    assert_taken_as_is(&[
        "precompile(Val{Symbol(\"a  ,b( \")})",
        "precompile(A.var\" a,b ) \")",
        "precompile(Val{' '}, Val{','}, Val{')'})",
        "precompile(Val{\"\"\" \"a\" ,b \"\"\"})",
    ]);
}

#[test]
fn what_surrounds_a_statement_is_dropped() {
    assert_becomes(&[
        ("  \tprecompile(f, ())  \t", "precompile(f, ())"),
        ("precompile(f, ());", "precompile(f, ())"),
        ("precompile(f, ()) ; ;  # done", "precompile(f, ())"),
        ("precompile(f, ())\r\n", "precompile(f, ())"),
        ("precompile(f, ())\n", "precompile(f, ())"),
        ("\u{feff}precompile(f, ())", "precompile(f, ())"),
        ("precompile(f, ()) # a comment; rm()", "precompile(f, ())"),
        ("precompile(f, ())#tight", "precompile(f, ())"),
        ("#= 39.1 ms =# precompile(f, ())", "precompile(f, ())"),
        (
            "#=a =##= #= b =# =# precompile(f, ()) #= c =#",
            "precompile(f, ())",
        ),
        ("precompile(f #= , =#, #= ) =# ())", "precompile(f, ())"),
        ("precompile(f, ()) #= open", "precompile(f, ())"),
        ("\u{1b}[33mprecompile(f, ())\u{1b}[39m", "precompile(f, ())"),
        (
            "\u{1b}[1mpre\u{1b}[0mcompile(\u{1b}[31mf, ())",
            "precompile(f, ())",
        ),
    ]);
}

#[test]
fn recompilation_is_noted() {
    for line in [
        "precompile(f, ()) # recompile",
        "#=   12.0 ms =# precompile(f, ()) # recompile\r\n",
        "\u{1b}[33m#= 1.0 ms =# precompile(f, ())\u{1b}[0m # recompile",
        "precompile(f, ())   #recompile",
    ] {
        assert_eq!(
            statement(line),
            Ok(("precompile(f, ())".into(), true)),
            "{line}"
        );
    }
}

#[test]
fn quotes_hide_brackets_and_comments() {
    assert_taken_as_is(&[
        "precompile(Val{Symbol(\")\")})",
        "precompile(Val{Symbol(\"\\\"\")})",
        "precompile(Val{Symbol(\"\\\\\")})",
        "precompile(Val{Symbol(\"#= \")}, Val{Symbol(\" =#\")})",
        "precompile(A.var\"#f##kw\")",
        "precompile(A.var\"a\\\"b\")",
        "precompile(A.var\"a\\b$c\")",
        "precompile(A.var\"`;`\")",
        "precompile(Val{'\"'}, \"')\")",
        "precompile(Val{'\\''}, '(')",
        "precompile(Val{'\\\\'})",
        "precompile(Val{'''})",
        "precompile(:var\"a)b\")",
        "precompile(A.:(var\"'\"))",
    ]);
}

#[test]
fn an_apostrophe_after_an_operand_is_an_adjoint() {
    assert_taken_as_is(&[
        "precompile(typeof(a'))",
        "precompile(typeof(a''), 'b')",
        "precompile(typeof(f(x)'), typeof(a[1]'))",
    ]);
    assert_rejected(
        Malformed,
        &[
            "precompile(a 'b')",
            "precompile(a'b)",
            "precompile(1'a')",
            "precompile(A.var\"x\"')",
        ],
    );
}

#[test]
fn symbols() {
    assert_taken_as_is(&[
        "precompile(Val{:a!}, Val{:+}, Val{:<:}, Val{:!=}, Val{:while})",
        "precompile(Val{:(=>)}, Val{:(:)}, Val{:(a)}, Val{:(a + b)})",
        "precompile(Val{:(=)}, Val{:(&&)}, Val{:(::)}, Val{:&&}, Val{:||}, A.:(...))",
    ]);
    // Julia reads `:=` here.
    assert_rejected(Malformed, &["precompile(Val{:==})", "precompile(Val{:=})"]);
}

#[test]
fn other_code_is_unsafe() {
    assert_rejected(
        Unsafe,
        &[
            "precompile(Tuple{typeof(f)}); run(`rm`)",
            "precompile(f, (Int,)) && evil()",
            "precompile(f, (Int,)) || evil()",
            "precompile(f, (Int,)), evil()",
            "precompile(f, (Int,))(evil)",
            "precompile(f, (Int,)).evil",
            "precompile(f, (Int,)) = evil()",
            "precompile(f, (Int,))\u{2028}evil()",
            "precompile(f, (Int,)) #= =# evil()",
            "precompile(f, (Int,)) precompile(g, (Int,))",
            "precompile(f, (Int,)); precompile(g, (Int,))",
            "precompile(f, (Int,)) end",
            "precompile(f; g)",
            "precompile(f, (evil(); Int))",
            "precompile(f, (Int,); a=1)",
            "precompile(`rm`)",
            "precompile(f`rm`)",
            "precompile(@evil)",
            "precompile(@eval(1))",
            "precompile(A.@evil)",
            "precompile(A.B.@evil x)",
            "precompile(r\"a\")",
            "precompile(A.evil\"a\")",
            "precompile(:evil\"a\")",
            "precompile(\"$(evil())\")",
            "precompile(Symbol(\"#$evil\"))",
            "precompile($evil)",
            "precompile(begin evil() end)",
            "precompile(let x = 1; x end)",
            "precompile(x = 1)",
            "precompile((x = 1))",
            "precompile([x = 1])",
        ],
    );
}

#[test]
fn lines_that_are_no_statements() {
    assert_rejected(
        NotAStatement,
        &[
            "run(`rm`)",
            "using Foo",
            "x = precompile(f, (Int,))",
            "!precompile(f, (Int,))",
            "evil() && precompile(f, (Int,))",
            "isdefined(evil(`rm`), :f) && precompile(f, (Int,))",
            "isdefined(M, :f) || precompile(f, (Int,))",
            "isdefined(M, :f) && evil()",
            "isdefined(M, :f) && end",
            "@eval precompile(f, (Int,))",
            "@asserts precompile(f, (Int,))",
            "(precompile(f, (Int,)))",
            "precompiled(f)",
            "precompile_all()",
            "Core.precompile(f, (Int,))",
            "Evil.precompile(f, (Int,))",
            "f(precompile(f, (Int,)))",
            "let precompile = evil",
            "output of a program precompile(f, (Int,))",
        ],
    );
}

#[test]
fn malformed_calls() {
    assert_rejected(
        Malformed,
        &[
            "precompile()",
            "precompile( #= nothing =# )",
            "precompile (f, (Int,))",
            "Base.precompile (f)",
            "precompile(",
            "precompile(Tuple{typeof(f), Int}",
            "precompile(Tuple{typeof(f)",
            "precompile(Tuple{typeof(f)]}",
            "precompile(Tuple{typeof(f)}]",
            "precompile(f, (Int,)) )"
                .trim_end_matches(" )")
                .trim_end_matches(')'),
            "precompile(Tuple{\"a)})",
            "precompile(f # comment)",
            "precompile(f #= comment)",
            "precompile(,)",
            "precompile(a,,b)",
            "precompile(a b)",
            "precompile(a (b))",
            "precompile(a {b})",
            "precompile(Tuple{a -b})",
            "precompile([a -b])",
            "precompile(a -)",
            "precompile(a where)",
            "precompile({a})",
            "precompile(2x)",
            "precompile(a.)",
            "precompile(a..b)",
            "precompile(a. b)",
            "precompile(a .b)",
            "precompile(a -> b)",
            "precompile(a ? b : c)",
            "precompile(a::Int)",
            "precompile(a\u{a0}b)",
            "precompile(\u{200b}a)",
            "precompile(a\u{0}b)",
            "precompile(a\rb)",
            "precompile(<?#0x7f21::Foo>)",
        ],
    );
}

#[test]
fn keyword_bodies_need_their_lookup() {
    assert_rejected(
        KeywordBody,
        &[
            "precompile(fbody, (Int,typeof(f),))",
            "precompile( fbody ,(Int,))",
        ],
    );
    assert_taken_as_is(&["precompile(fbody2, (Int,))"]);
}

#[test]
fn text_in_another_encoding() {
    assert_eq!(parse_line(b"precompile(\xff)"), Line::Rejected(NotUtf8));
    assert_eq!(parse_line(b"\xff\xfep\0r\0e\0"), Line::Rejected(NotUtf8));
    assert_eq!(parse_line(b"\0p\0r\0e\0c\0"), Line::Rejected(NotUtf8));
}

#[test]
fn size_has_limits() {
    let deep = |n: usize| format!("precompile({}{})", "T{".repeat(n), "}".repeat(n));
    assert!(statement(&deep(511)).is_ok());
    assert_eq!(parse_line(&deep(512)), Line::Rejected(TooBig));
    let long = |n: usize| format!("precompile({})", "x".repeat(n));
    assert!(statement(&long((1 << 20) - 12)).is_ok());
    assert_eq!(parse_line(&long(1 << 20)), Line::Rejected(TooBig));
    // Normalised, it would be longer.
    let tight = format!("precompile({}x)", "x,".repeat(400_000));
    assert_eq!(parse_line(&tight), Line::Rejected(TooBig));
}

#[test]
fn comments_and_blanks() {
    for line in [
        "",
        "   ",
        "\r\n",
        "# precompile(f, (Int,))",
        "#precompile(f, (Int,))",
        "#= a =#",
        "#= precompile(f, (Int,))",
        "  #= a =# # b",
        "\u{feff}",
        "\u{1b}[0m",
    ] {
        assert_eq!(parse_line(line), Line::Blank, "{line:?}");
    }
}

#[test]
fn canonical_text_is_borrowed() {
    let line = "  #= 1.0 ms =# precompile(Tuple{typeof(f), Int64}) # recompile";
    let Line::Statement { text, .. } = parse_line(line) else {
        panic!("not taken");
    };
    assert!(matches!(text, std::borrow::Cow::Borrowed(_)));
}
