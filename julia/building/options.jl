# The keywords of `create_sysimage`, with their types and defaults, in one place. A struct and not a
# long signature: whatever keywords a user gives, the code behind is compiled once.

const Names = Union{AbstractString,Symbol}

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
    cpu_target::AbstractString = default_cpu_target()
    script::Union{Nothing,AbstractString} = nothing
    sysimage_build_args::Cmd = ``
    compress_sysimage::Bool = false
    # Those that PackageCompiler does not have.
    dry_run::Bool = false
    quiet::Bool = false
    log::Union{Nothing,AbstractString} = nothing
    verify::Union{Symbol,Bool} = :load
    strict::Bool = false
    statement_timeout::Real = 300
    image_threads::Union{Nothing,Integer} = nothing
    trace_jobs::Union{Nothing,Integer} = nothing
    workload_deps::Union{AbstractString,AbstractVector} = String[]
    idle_limit::Real = 600
    environment_inputs::Union{Names,AbstractVector} = String[]
    force::Bool = false
    guard::Bool = false
    linked::Bool = true
    workload::Union{TestSuite,AbstractVector} = TestSuite[]
end

"""
    default_cpu_target() -> String

As PackageCompiler 2.4: the target of the base image on Julia 1.13 and newer, else `"native"`.
"""
default_cpu_target() = VERSION >= v"1.13-" ? "sysimage" : "native"

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
        value isa wanted || throw(BuildError(
            "`$name` is $(repr(value)), a $(typeof(value))"; hint="it must be a $wanted"))
        setfield!(options, name, value)
    end
    return options
end

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
    for keyword in (:precompile_execution_file, :precompile_statements_file, :script,
        :base_sysimage, :log, :workload_deps)
        for file in list(getfield(options, keyword))
            isempty(strip(file)) && throw(BuildError("`$keyword` holds an empty file name";
                hint="give a path, or leave the keyword out"))
        end
    end
    # NaN is neither.
    options.idle_limit > 0 || throw(BuildError("`idle_limit` is $(options.idle_limit)";
        hint="give a positive number of seconds; `Inf` waits for ever"))
    if !(options.verify in (:load, :trace, false))
        throw(BuildError("`verify` is $(repr(options.verify))"; hint="use :load, :trace or false"))
    end
    return nothing
end

list(::Nothing) = String[]
list(item::Names) = [String(item)]
list(items::AbstractVector) = String[String(item) for item in items]
