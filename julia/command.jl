# The command for shells: `julia -m PackageCompilerRS ...`. It turns words into calls of the functions
# that sessions call, and what these give into lines and exit codes.

"Exit codes, which scripts may rely on."
const EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_STALE, EXIT_UNKNOWN = 0, 1, 2, 3, 4
"As of a program that SIGINT ends, in shells."
const EXIT_INTERRUPTED = 130

const USAGE = """
    usage: julia -m PackageCompilerRS COMMAND ...

      build [PACKAGE...]       build a sysimage (`create_sysimage`; what is left out is taken from Sysimage.toml)
      status IMAGE             whether an image is what its project would give now (`sysimage_status`)
      app PACKAGE_DIR FOLDER   make an app (`create_app`; `--executables=NAME=FUNCTION`, once for each)
      library PACKAGE_DIR FOLDER
                               make a library (`create_library`)
      refresh IMAGE            build an image again, as its stamp tells (`refresh_sysimage`)
      bundle IMAGE FOLDER      copy an image, with what it needs in another place (`bundle_sysimage`)
      audit FOLDER             what an app or library needs and holds (`audit_app`)
      clean                    empty the cache of earlier builds (`clear_cache!`)

    Options are the keywords of these functions: `--incremental=false`, `--force`, `--cpu-target=native`; one
    that takes several values is given several times. `--json` prints the result as JSON.

    exit codes: 0 done, or fresh; 1 failed; 2 not understood; 3 stale; 4 unknown whether it is fresh; 130 interrupted
    """

"""
    run_command(words) -> Int

Does what the words of a command line say, and gives the exit code.
"""
function run_command(words)
    try
        return obey(map(String, words))
    catch err
        err isa Union{BuildError,FileError,Misunderstood,InterruptException} || rethrow()
        if err isa InterruptException
            println(stderr, "interrupted")
            return EXIT_INTERRUPTED
        end
        showerror(stderr, err)
        println(stderr)
        "--json" in words && on_demand(write_failure, err)
        return err isa Misunderstood ? EXIT_USAGE : EXIT_FAILED
    end
end

"What JSON has in the place of a result."
write_failure(err) = print_json(Dict{String,Any}("error" => fields_of(err)))

function print_json(value)
    write_json(stdout, value)
    println()
    return nothing
end

function obey(words)
    isempty(words) && return help(stderr, EXIT_USAGE)
    (words[1] == "help" || any(in(("--help", "-h")), words)) && return help(stdout, EXIT_DONE)
    name = words[1]
    haskey(COMMANDS, name) || throw(Misunderstood("there is no command `$name`"))
    number, f = COMMANDS[name]
    plain = filter(word -> !startswith(word, "--"), words[2:end])
    given, json = options_of_words(filter(word -> startswith(word, "--"), words[2:end]))
    number === nothing || length(plain) == number ||
        throw(Misunderstood("`$name` takes $(counted(number, "word")), not $(length(plain))"))
    on_demand(check_keywords, name, f, given)
    if f === create_sysimage
        # The result is shown, if not as JSON, and begins with the summary.
        return done(on_demand(create, isempty(plain) ? nothing : plain, given; summary=json), json)
    elseif f === refresh_sysimage
        return done(on_demand(f, plain...; quiet=json, given...), json)
    elseif f === clear_cache!
        freed = on_demand(f)
        println(json ? string(freed) : "removed " * Base.format_bytes(freed))
        return EXIT_DONE
    end
    return done(on_demand(f, plain...; given...), json)
end

"For each command, how many words it takes, any number where that is `nothing`, and what it calls."
const COMMANDS = Dict{String,Tuple{Union{Nothing,Int},Function}}(
    "build" => (nothing, create_sysimage), "status" => (1, sysimage_status), "app" => (2, create_app),
    "library" => (2, create_library), "refresh" => (1, refresh_sysimage), "bundle" => (2, bundle_sysimage),
    "audit" => (1, audit_app), "clean" => (0, clear_cache!))

"""
Refuses options that `f` does not take, and values that no keyword of that name takes. What a function hands on to
`Options` is checked there.
"""
function check_keywords(command, f, given)
    declared = reduce(vcat, map(Base.kwarg_decl, methods(f)); init=Symbol[])
    names = filter(name -> !endswith(string(name), "..."), declared)
    hands_on = length(names) < length(declared)
    hands_on && append!(names, fieldnames(Options))
    for (name, value) in given
        if !(name in names)
            near = nearest(string(name), unique!(map(string, names)))
            throw(Misunderstood("`$command` has no option `$(option_of(name))`" *
                (isempty(near) ? "" : ", did you mean `$(option_of(near[1]))`?")))
        end
        expected = name in fieldnames(Options) ? fieldtype(Options, name) : Bool
        hands_on || value isa expected ||
            throw(Misunderstood("`$(option_of(name))` is $(shown(value)), it must be $(in_words(expected))"))
    end
    return nothing
end

option_of(name) = "--" * replace(string(name), '_' => '-')

"Words that are no command line of ours."
struct Misunderstood <: Exception
    message::String
end

Base.showerror(io::IO, err::Misunderstood) = print(io, "ERROR: ", err.message, "; `help` tells what there is")

function help(io, code)
    print(io, USAGE)
    return code
end

"Prints a result, and gives its exit code."
function done(result, json)
    if json
        print_json(fields_of(result))
    elseif result isa AbstractVector
        foreach(one -> done(one, json), result)
    else
        show(stdout, MIME"text/plain"(), result)
        println()
    end
    return code_of(result)
end

code_of(result) = EXIT_DONE
code_of(status::SysimageStatus) = status.state === :fresh ? EXIT_DONE :
    status.state === :stale ? EXIT_STALE : EXIT_UNKNOWN

"What JSON has of a result, or a failure: tables of its fields."
fields_of(value) = value
fields_of(values::AbstractVector) = map(fields_of, values)
fields_of(value::Union{BuildReport,BuildPreview,SysimageStatus,AppReport,AppAudit,SysimageBundle,
    BuildError,FileError,Misunderstood}) =
    Dict{String,Any}(string(name) => fields_of(getfield(value, name)) for name in fieldnames(typeof(value)))

"Keywords of the words that begin with `--`, and whether `--json` is among them."
function options_of_words(words)
    given, json = Dict{Symbol,Any}(), false
    for word in words
        name, value = split_option(word)
        if name === :json
            json = true
        elseif haskey(given, name)
            given[name] = joined(given[name], value)
        else
            given[name] = value
        end
    end
    return Pair{Symbol,Any}[name => given[name] for name in sort!(collect(keys(given)))], json
end

"The value of an option that is given twice: words of one command, else a vector."
joined(before, value) = vcat(before, value)
joined(before::Cmd, value::Cmd) = `$before $value`

function split_option(word)
    parts = split(SubString(word, 3), '='; limit=2)
    name = Symbol(replace(parts[1], '-' => '_'))
    length(parts) == 1 && return name, true
    return name, option_value(name, at_home(String(parts[2])))
end

"The value of the keyword `name` that a text stands for: of keywords that take text it is the text."
function option_value(name, text)
    if name === :executables
        parts = split(text, '='; limit=2)
        length(parts) == 2 || throw(Misunderstood("`--executables=$text` names no function: " *
            "give it as `--executables=NAME=FUNCTION`"))
        return Pair{String,String}[parts[1] => parts[2]]
    end
    name === :sysimage_build_args && return command_of_words(text)
    # No package has a dot in its name.
    name === :workload && return endswith(text, ".jl") ? text : TestSuite(text)
    name === :verify && return text == "false" ? false : Symbol(text)
    text in ("true", "false") && return text == "true"
    expected = name in fieldnames(Options) ? fieldtype(Options, name) : AbstractString
    Real <: expected || Integer <: expected || return text
    return something(tryparse(Int, text), tryparse(Float64, text), Some(text))
end

function command_of_words(text)
    try
        return Cmd(Base.shell_split(text))
    catch err
        err isa ErrorException || rethrow()
        throw(Misunderstood("`--sysimage-build-args=$text` cannot be split into words: $(err.msg)"))
    end
end

if isdefined(Base, Symbol("@main"))
    @eval (@main)(words) = run_command(words)
else
    main(words) = run_command(words)
end

@doc """
    PackageCompilerRS.main(words) -> Int

The command for shells: what `julia -m PackageCompilerRS WORDS...` calls (Julia 1.12). Gives the exit code: 0 done, or
fresh; 1 failed; 2 not understood; 3 stale; 4 unknown whether it is fresh; 130 interrupted.

# Arguments
- `words`: the words of a command line, as Strings; `["help"]` prints what there is.

# Examples
```julia
using PackageCompilerRS
PackageCompilerRS.main(["help"])
```
""" main
