//! Nothing but what is on a closed list is called when a statement is evaluated.

mod common;

use common::calls::foreign_call;
use pcrs_statements::{Line, code_in, parse_line};
use proptest::prelude::*;
use proptest::sample::select;

#[test]
fn what_traces_and_people_write_is_no_code() {
    for arguments in [
        "f, (Int,)",
        "Tuple{typeof(Base.:(+)), Int64}",
        "Tuple{typeof(==), typeof(:), typeof(-), typeof(<:), typeof(√), typeof(in)}",
        "Tuple{Type{(Base.Dict{K, V} where V) where K}}",
        "Tuple{Vector{<:Real}, Vector{>:Int}, Vararg{Any, N} where N}",
        "Tuple{T} where {T<:Real, N}",
        "Tuple{T} where Int<:T<:(Array{S} where S)",
        "A where{T}",
        "Tuple{A.var\"#12#13\"{Int64}, getfield(A, Symbol(\"#1#2\")){Int64}}",
        "Tuple{Core.kwftype(typeof(A.f)), Any, typeof(A.f)}",
        "getfield(A, :f), (Core.Typeof(A.B), Core.typeof(A))",
        "f, tuple(Int, Base.tuple(Int))",
        "which(f, (Int,)).sig",
        "Tuple{typeof(which(A.f, (Int,)).generator.gen), Any}",
        "f, (@NamedTuple{a::Int, b}, Base.@Kwargs{}, @Kwargs{c::Vector{Int}})",
        "NamedTuple{(:a,), Tuple{Int64}}, Union{}, ()",
        "Val{:a}, Val{:(+)}, Val{:+}, Val{:end}, Val{:(=)}, Val{:var\"a b\"}, Val{Symbol(\"a b\")}",
        "Val{'a'}, Val{'\\''}, Val{1}, Val{-1.5}, Val{-Inf32}, Val{-inf}, Val{0x0f}, Val{true}, Val{\"x\"}",
        "Val{(1, (a=1, b=-2), ())}",
        "Val{1:3}, Val{1:-1:3}, Val{1//2}, Val{-1//2}",
        "Val{Char(0x55000000)}, Val{Core.AddrSpace{Core}(0x00)}, Val{Int8(-3)}",
        "Val{A.Point(1, 2)}, Val{(1, A.Point(x=1, y=A.Q{Int}(z='a')))}",
        "Val{Base.Order.ForwardOrdering()}, Val{A.var\"#1#2\"()}, Val{A.F(f=A.sin)}",
        "Val{reinterpret(Char, 0xc0800000)}, Val{Base.reinterpret(Char, 0xc0800000)}",
        "Tuple{Array{T, 1} where T, Type{A.Foo{A.Bar(1, 2)}}}",
    ] {
        let text = format!("precompile({arguments})");
        let Line::Statement { text, .. } = parse_line(&text) else {
            panic!("not taken: {text}");
        };
        assert_eq!(code_in(&text), None, "{text}");
        assert_eq!(foreign_call(&text), None, "{text}");
    }
}

#[test]
fn all_else_is_code_and_said_to_be() {
    for (arguments, code) in [
        (
            "Base.Set(Base.Generator(Base.run, (Base.Cmd([\"touch\", \"x\"]),)))",
            "Base.Set(",
        ),
        ("Base.Timer(f, 0)", "Base.Timer("),
        ("f, (Base.Channel(f),)", "Base.Channel("),
        ("Vector{UInt8}(undef, 10^12)", "Vector{UInt8}("),
        ("f, (Val{A.evil(1)},)", "A.evil("),
        ("f, (Val{A.Point(A.evil(1))},)", "A.evil("),
        ("f, (Val{(1, A.evil(x=1))},)", "A.evil("),
        ("f, (Val{A.Point(1)(2)},)", "A.Point(1)("),
        ("f, (Val{typeof(A.Point(1))},)", "A.Point("),
        ("f, (Val{A.var\"evil\"(1)},)", "A.var\"evil\"("),
        ("f, (Val{A.var\"#1\".evil(1)},)", "A.var\"#1\".evil("),
        ("f, (Val{\"x\"^1000},)", "\"x\"^"),
        ("f, (Val{2^62},)", "2^"),
        ("A.typeof(1)", "A.typeof("),
        ("A.Base.getfield(A, :f)", "A.Base.getfield("),
        ("kwftype(typeof(f))", "kwftype("),
        ("typeof(f, g)", "typeof("),
        ("getfield(A, f)", "getfield("),
        ("getfield(A, 1)", "getfield("),
        ("getfield(A, Symbol(:a, 1))", "getfield("),
        ("Symbol(:a, 1)", "Symbol("),
        ("reinterpret(Char, f)", "reinterpret("),
        ("which(f)", "which("),
        ("getfield(A, :f)(1)", "getfield(A, :f)("),
        ("A.:(+)(1, 2)", "A.:(+)("),
        ("which(f, (Int,)).sig(1)", "which(f, (Int,)).sig("),
        ("f(x, y=2)", "f("),
        ("a + b", "a +"),
        ("-a", "-a"),
        ("!a", "!"),
        ("a == b", "a ="),
        ("a in b", "a i"),
        ("a'", "a'"),
        ("a[1]", "a["),
        ("[Int, Int]", "["),
        ("f, (T...,)", "T."),
        ("a => b", "a ="),
        ("a//b", "a/"),
        ("1//b", "b)"),
        ("1.5:2.5", "1.5:"),
        ("Val{:(a + b)}", ":(a "),
        ("A.@NamedTuple{a::Int}", "A.@"),
    ] {
        let text = format!("precompile({arguments})");
        let Line::Statement { text, .. } = parse_line(&text) else {
            panic!("not taken: {text}");
        };
        assert_eq!(code_in(&text), Some(code), "{text}");
    }
}

#[test]
fn what_is_shown_has_a_limit() {
    let text = format!("precompile(é{}(1))", "é".repeat(1000));
    let shown = code_in(&text).unwrap();
    assert!(shown.len() < 70, "{shown}");
}

#[test]
fn any_text_is_taken() {
    for text in [
        "",
        "é",
        "precompile(",
        "precompile(\"",
        "precompile('é",
        "precompile(A.",
        "precompile(:",
        "precompile(var\"",
        "precompile(f)g",
    ] {
        assert!(code_in(text).is_some(), "{text}");
    }
    assert!(code_in(&format!("precompile({}", "(".repeat(100_000))).is_some());
}

#[test]
fn changed_lines_call_nothing_foreign() {
    let seeds = common::seeds();
    let mut random = common::Random::new(7);
    let (mut clean, mut code) = (0, 0);
    for i in 0..60_000 {
        let line = common::mutate(&mut random, seeds[i % seeds.len()], &seeds);
        let Line::Statement { text, .. } = parse_line(&line) else {
            continue;
        };
        match code_in(&text) {
            Some(_) => code += 1,
            None => {
                clean += 1;
                assert_eq!(foreign_call(&text), None, "{text}");
            }
        }
    }
    assert!(clean > 1000 && code > 1000, "{clean} and {code}");
}

/// Calls and operators of any kind, on the list or not, in any place.
fn expression() -> impl Strategy<Value = String> {
    let atom = select(vec![
        "Int64",
        "A.f",
        "A.Point",
        "1",
        "-2",
        "0x0f",
        "'('",
        "\"(\"",
        ":a",
        ":(+)",
        "A.var\"#1#2\"",
        "A.var\"evil\"",
        "Symbol(\"f(\")",
        "Inf",
        "==",
        "λ",
        "A.:(+)",
    ])
    .prop_map(str::to_owned);
    let callee = select(vec![
        "typeof",
        "Core.Typeof",
        "Core.kwftype",
        "getfield",
        "which",
        "tuple",
        "Symbol",
        "reinterpret",
        "A.typeof",
        "evil",
        "A.evil",
        "A.Point",
        "A.Q{Int}",
        "Base.Timer",
        "A.var\"#1#2\"",
        "A.var\"evil\"",
        "A.:(+)",
        "getfield(A, :f)",
        "",
        "A.x[1]",
    ]);
    let operator = select(vec![
        " + ", "^", "//", ":", " == ", " => ", "<:", " isa ", " where ", "*",
    ]);
    atom.prop_recursive(5, 32, 4, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        let type_ = select(vec!["Val", "Tuple", "A.B", "Union"]);
        prop_oneof![
            (type_, list.clone()).prop_map(|(name, list)| format!("{name}{{{}}}", list.join(", "))),
            (callee.clone(), list.clone())
                .prop_map(|(name, list)| format!("{name}({})", list.join(", "))),
            (callee.clone(), inner.clone(), inner.clone())
                .prop_map(|(name, a, b)| format!("{name}({a}, x={b})")),
            list.prop_map(|list| format!("({},)", list.join(", ")).replace("(,)", "()")),
            (inner.clone(), operator.clone(), inner.clone()).prop_map(|(a, op, b)| [
                a,
                op.into(),
                b
            ]
            .concat()),
            (
                inner.clone(),
                select(vec!["'", "...", "[1]", ".x", "{T}", "(1)"])
            )
                .prop_map(|(a, after)| [a, after.into()].concat()),
            inner.prop_map(|a| format!("[{a}]")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_line_without_code_calls_what_is_not_listed(
        arguments in prop::collection::vec(expression(), 1..3),
    ) {
        let line = format!("precompile({})", arguments.join(", "));
        if let Line::Statement { text, .. } = parse_line(&line)
            && code_in(&text).is_none()
        {
            prop_assert_eq!(foreign_call(&text), None, "{}", text);
        }
    }
}
