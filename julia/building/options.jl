# The keywords of `create_sysimage`, with their types and defaults, in one place. The signature of the
# function names them too, for completion, and only hands on what was given.

const Names = Union{AbstractString,Symbol}

"As PackageCompiler 2.4.5, whose \"sysimage\" on Julia 1.13 took twice the time and memory (its issue 1143)."
const DEFAULT_CPU_TARGET = "native"

Base.@kwdef mutable struct Options
    sysimage_path::Union{Nothing,AbstractString} = nothing
    project::Union{Nothing,AbstractString} = nothing
    precompile_execution_file::Union{AbstractString,AbstractVector} = String[]
    precompile_statements_file::Union{AbstractString,AbstractVector} = String[]
    incremental::Bool = true
    filter_stdlibs::Bool = false
    include_transitive_dependencies::Bool = true
    import_into_main::Bool = true
    base_sysimage::Union{Nothing,AbstractString} = nothing
    cpu_target::Union{AbstractString,AbstractVector} = DEFAULT_CPU_TARGET
    script::Union{Nothing,AbstractString} = nothing
    sysimage_build_args::Cmd = ``
    compress_sysimage::Bool = false
    # Those that PackageCompiler does not have.
    dry_run::Bool = false
    quiet::Bool = false
    log::Union{Nothing,AbstractString} = nothing
    work_dir::Union{Nothing,AbstractString} = nothing
    verify::Union{Symbol,Bool} = :load
    strict::Bool = false
    statement_timeout::Real = 300
    image_threads::Union{Nothing,Integer} = nothing
    trace_jobs::Union{Nothing,Integer} = nothing
    workload_threads::Union{Nothing,Integer} = nothing
    workload_deps::Union{AbstractString,AbstractVector} = String[]
    idle_limit::Real = 600
    environment_inputs::Union{Names,AbstractVector} = String[]
    force::Bool = false
    guard::Bool = false
    linked::Bool = true
    compile_all::Bool = false
    include_stdlibs::Union{Nothing,Names,AbstractVector} = nothing
    workload::Union{TestSuite,AbstractString,AbstractVector} = TestSuite[]
    exclude::Union{Names,AbstractVector} = String[]
    image::Union{Nothing,Names} = nothing
end

"""
    options_from(keywords) -> Options

# Errors
`BuildError` for a keyword that there is not, with the nearest, or a value of the wrong type.
"""
function options_from(@nospecialize(keywords))
    options = Options()
    for (name, value) in keywords
        if !(name in fieldnames(Options))
            near = nearest(string(name), map(string, fieldnames(Options)))
            throw(BuildError("`create_sysimage` has no keyword `$name`";
                hint=isempty(near) ? "see its docstring" : "did you mean `$(near[1])`?"))
        end
        wanted = fieldtype(Options, name)
        value isa wanted || throw(wrong_value(name, value, name === :cpu_target ? CPU_TARGET_IN_WORDS : in_words(wanted)))
        setfield!(options, name, value)
    end
    return options
end

const CPU_TARGET_IN_WORDS = "the name of a CPU as a String, or a vector of such names"

wrong_value(keyword, @nospecialize(value), expected) =
    BuildError("`$keyword` is $(on_demand(with_type, value)::String)"; hint="it must be $expected")

wrong_item(keyword, @nospecialize(item), expected) =
    BuildError("`$keyword` holds $(on_demand(with_type, item)::String)"; hint="it must hold $expected")

with_type(value) = "$(shown(value)), a $(typeof(value))"

"A value as a user would write it, cut where it gets long."
function shown(value)
    text = repr(value; context=:limit => true)
    return length(text) <= 60 ? text : string(first(text, 57), "...")
end

"The type of a keyword, for users."
function in_words(type)
    type === Bool && return "`true` or `false`, a Bool"
    type === Cmd && return "a Cmd, such as `` `-O1` ``"
    type === AbstractString && return "a String"
    type === Real && return "a positive number of seconds; `Inf` sets no limit"
    type === Union{Symbol,Bool} && return "`:load`, `:trace` or `false`"
    type === Union{Nothing,AbstractString} && return "a path as a String"
    type === Union{Nothing,Integer} && return "a whole number, 1 or more"
    type === Union{AbstractString,AbstractVector} && return "a path as a String, or a vector of them"
    type === Union{TestSuite,AbstractString,AbstractVector} &&
        return "a script's path as a String, a `TestSuite`, or a vector of them"
    type === Union{Nothing,Names} && return "a name as a String or Symbol"
    type in (Union{Names,AbstractVector}, Union{Nothing,Names,AbstractVector}) &&
        return "a name as a String or Symbol, or a vector of them"
    return "a $type"
end

const PATHS = (:sysimage_path, :precompile_execution_file, :precompile_statements_file, :script,
    :base_sysimage, :log, :work_dir, :workload_deps)

"The options, checked for what needs no look at the disk."
function check_options(options)
    if options.sysimage_path === nothing || isempty(strip(options.sysimage_path))
        throw(BuildError("`sysimage_path` is empty or missing";
            hint="give the path of the image to be, such as \"Sysimage.so\""))
    end
    if options.filter_stdlibs && options.incremental
        throw(BuildError("`filter_stdlibs=true` needs `incremental=false`";
            cause="an image built on another one holds all that is in that one"))
    end
    if options.base_sysimage !== nothing && !options.incremental
        throw(BuildError("`base_sysimage` cannot be given with `incremental=false`";
            cause="that builds a base of its own"))
    end
    for keyword in PATHS
        files = getfield(options, keyword)
        for file in (files isa AbstractVector ? files : list(files))
            file isa AbstractString || throw(wrong_item(keyword, file, "paths as Strings"))
            isempty(strip(file)) && throw(BuildError("`$keyword` holds an empty file name";
                hint="give a path, or leave the keyword out"))
            check_text("`$keyword`", abspath(file))
        end
    end
    check_workload(options.workload)
    check_names(:environment_inputs, options.environment_inputs)
    check_text("`cpu_target`", options.cpu_target)
    check_cpu_target(options.cpu_target)
    foreach(arg -> check_text("`sysimage_build_args`", arg), options.sysimage_build_args.exec)
    check_numbers(options)
    if !(options.verify in (:load, :trace, false))
        throw(BuildError("`verify` is $(repr(options.verify))"; hint="use :load, :trace or false"))
    end
    return nothing
end

"Seconds as the plan has them: `nothing` is no limit, as JSON has no `Inf`."
function seconds_of_limit(limit)
    seconds = Float64(limit)
    return isinf(seconds) ? nothing : seconds
end

check_names(keyword, names) = foreach(name -> name isa Names || throw(wrong_item(keyword, name,
    "names as Strings or Symbols")), names isa AbstractVector ? names : ())

function check_workload(workload)
    for item in (workload isa AbstractVector ? workload : (workload,))
        item isa TestSuite && continue
        item isa AbstractString ||
            throw(wrong_item(:workload, item, "paths of scripts as Strings, and `TestSuite(\"Name\")`"))
        isempty(strip(item)) && throw(BuildError("`workload` holds an empty file name";
            hint="give the path of a script, or a `TestSuite`"))
        check_text("`workload`", abspath(item))
    end
    return nothing
end

function check_numbers(options)
    timeout = options.statement_timeout
    (timeout isa Bool || !(timeout > 0)) && throw(BuildError("`statement_timeout` is $timeout";
        hint="it must be $(in_words(Real))"))
    idle = options.idle_limit
    # NaN is neither.
    (idle isa Bool || !(idle > 0)) && throw(BuildError("`idle_limit` is $idle";
        hint="give a positive number of seconds; `Inf` waits for ever"))
    for keyword in (:image_threads, :trace_jobs, :workload_threads)
        number = getfield(options, keyword)
        number === nothing && continue
        number isa Bool && throw(wrong_value(keyword, number, in_words(Union{Nothing,Integer})))
        1 <= number <= typemax(UInt32) || throw(BuildError("`$keyword` is $number";
            hint="use 1 or more, or leave it out"))
    end
    return nothing
end

"""
    check_text(what, text)

# Errors
`BuildError` for text that neither JSON nor the systems that it is meant for can hold.
"""
function check_text(what, text)
    isvalid(text) || throw(BuildError("$what is not valid UTF-8: $(repr(text))";
        hint="files and folders are named in UTF-8 here; rename it"))
    '\0' in text && throw(BuildError("$what holds a NUL character: $(repr(text))";
        hint="no path or option can have one"))
    return nothing
end

list(::Nothing) = String[]
list(item::Names) = [String(item)]
list(items::AbstractVector) = String[String(item) for item in items]
