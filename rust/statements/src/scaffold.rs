//! The lines that SnoopCompile and hand-written files put around statements.
//!
//! They are known by their text and ignored, never run. A line that is not known is reported.

/// Scaffold lines as they are written, without blanks: what a line looks like in between varies
/// with who indented it.
const KNOWN: &[&str] = &[
    // Around the statements of a module.
    "_precompile_()",
    "begin",
    "end",
    "nothing",
    "return",
    "returnnothing",
    "ccall(:jl_generating_output,Cint,())==1||returnnothing",
    "ifccall(:jl_generating_output,Cint,())==1",
    // Around the statement of a keyword body; the statement itself is reported.
    "if!ismissing(fbody)",
    // The macro `@warnpcfail`, which comes with each file.
    "macrowarnpcfail(ex::Expr)",
    "modl=__module__",
    "file=__source__.file===nothing?\"?\":String(__source__.file)",
    "line=__source__.line",
    "quote",
    "$(esc(ex))||@warn\"\"\"precompiledirective",
    "$($(Expr(:quote,ex)))",
    "failed.Pleasereportanissuein$($modl)(aftercheckingforduplicates)orremovethisdirective.\"\"\"\
     _file=$file_line=$line",
    // The function that looks up keyword bodies.
    "const__bodyfunction__=Dict{Method,Any}()",
    "function__lookup_kwbody__(mnokw::Method)",
    "functiongetsym(arg)",
    "isa(arg,Symbol)&&returnarg",
    "@assertisa(arg,GlobalRef)",
    "returnarg.name",
    "f=get(__bodyfunction__,mnokw,nothing)",
    "iff===nothing",
    "fmod=mnokw.module",
    "ast=Base.uncompressed_ast(mnokw)",
    "ifisa(ast,Core.CodeInfo)&&length(ast.code)>=2",
    "callexpr=ast.code[end-1]",
    "ifisa(callexpr,Expr)&&callexpr.head==:call",
    "fsym=callexpr.args[1]",
    "ifisa(fsym,Symbol)",
    "f=getfield(fmod,fsym)",
    "elseifisa(fsym,GlobalRef)",
    "iffsym.mod===Core&&fsym.name===:_apply",
    "f=getfield(mnokw.module,getsym(callexpr.args[2]))",
    "elseiffsym.mod===Core&&fsym.name===:_apply_iterate",
    "f=getfield(mnokw.module,getsym(callexpr.args[3]))",
    "else",
    "f=getfield(fsym.mod,fsym.name)",
    "f=missing",
    "__bodyfunction__[mnokw]=f",
    "returnf",
];

/// The longest line worth comparing; a lookup of a keyword body may be any length.
const LONGEST: usize = 160;

/// Whether a line, without blanks around it, is scaffold.
pub(crate) fn is_scaffold(line: &str) -> bool {
    if line.starts_with("let fbody = try __lookup_kwbody__(which(") {
        return code_of(line).ends_with(" catch missing end");
    }
    let code = code_of(line);
    if code.len() > LONGEST {
        return false;
    }
    let squeezed: String = code.chars().filter(|c| !matches!(c, ' ' | '\t')).collect();
    KNOWN.contains(&squeezed.as_str()) || is_function_head(code)
}

/// The line up to its comment. No scaffold line has a `#` in a string.
fn code_of(line: &str) -> &str {
    line.split('#').next().unwrap_or(line).trim_end()
}

/// `function name()`, as `function _precompile_()` is.
fn is_function_head(code: &str) -> bool {
    code.strip_prefix("function ")
        .map(str::trim_start)
        .and_then(|rest| rest.strip_suffix("()"))
        .is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_known() {
        for line in [
            "function _precompile_()",
            "function precompile_all()   # generated",
            "ccall(:jl_generating_output, Cint, ()) == 1 || return nothing",
            "return nothing",
            "end",
            "end   # time: 0.002819959",
            "let fbody = try __lookup_kwbody__(which(f, (Int,))) catch missing end",
            "if !ismissing(fbody)",
            "macro warnpcfail(ex::Expr)",
            "failed. Please report an issue in $($modl) (after checking for duplicates) or remove \
             this directive.\"\"\" _file=$file _line=$line",
        ] {
            assert!(is_scaffold(line), "{line}");
        }
    }

    #[test]
    fn other_code_is_not() {
        for line in [
            "",
            "using Foo",
            "function f(x)",
            "function ()",
            "let fbody = try __lookup_kwbody__(which(f, (Int,))) catch missing end; evil()",
            "end; evil()",
            "include(\"precompile_Base.jl\")",
        ] {
            assert!(!is_scaffold(line), "{line}");
        }
    }
}
