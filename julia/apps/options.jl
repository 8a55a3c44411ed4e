# The keywords of `create_app` and `create_library` that are no keywords of `create_sysimage`, and
# what these two have otherwise.

"The first Julia whose embedding interface the executable knows."
const APPS_SINCE = v"1.10"

"""
    check_apps_here()

# Errors
`BuildError` where bundles cannot be made: on other systems than Linux, and with an older Julia.
"""
function check_apps_here(system=SYSTEM)
    VERSION >= APPS_SINCE || throw(BuildError("apps and libraries cannot be made with Julia $VERSION";
        cause="their executables start Julia by functions that $APPS_SINCE and newer have",
        hint="use Julia $(APPS_SINCE.major).$(APPS_SINCE.minor) or newer; `create_sysimage` serves this one"))
    system.apps || throw(BuildError("apps and libraries cannot be made on $(system.name)";
        cause="only Linux's way to find libraries is known to their executables",
        hint="`create_sysimage` serves this system"))
    return nothing
end

"""
The CPUs that Julia's own binaries are for, so that a bundle runs where these do. Names as in
Julia's `JULIA_CPU_TARGET`.
"""
default_app_cpu_target() =
    Sys.ARCH === :x86_64 ? "generic;sandybridge,-xsaveopt,clone_all;haswell,-rdrnd,base(1)" :
    Sys.ARCH === :i686 ? "pentium4;sandybridge,-xsaveopt,clone_all" : "generic"

"Keywords of `create_sysimage` that a bundle decides itself, with what to do instead."
const OF_BUNDLES = Dict{Symbol,String}(
    :sysimage_path => "the image has its place in the folder",
    :project => "the first argument is the package's folder",
    :guard => "an app has no project to compare with",
    :dry_run => "use `create_sysimage(...; dry_run=true)` to see what the image would be made of",
    :image => "an app is not described by a Sysimage.toml",
    :exclude => "all that the package needs goes in",
    :import_into_main => "executables call functions of the package",
    :julia_init_c_file => "no C file is compiled: `init_julia` and `shutdown_julia` are ready-made",
    :c_driver_program => "no C program is compiled: the executable is ready-made",
)

function check_bundle_keywords(call, keywords)
    for (name, _) in keywords
        haskey(OF_BUNDLES, name) || continue
        throw(BuildError("`$call` has no keyword `$name`"; hint=OF_BUNDLES[name]))
    end
    return nothing
end

function check_flag(name, value)
    value isa Bool || throw(wrong_value(name, value, in_words(Bool)))
    return value
end

checked_executables(::Nothing) = nothing

"Names of files for the executables, each with the function that it calls."
function checked_executables(executables)
    executables isa Union{AbstractVector,Pair} || throw(wrong_value(:executables, executables,
        "a vector of pairs such as [\"name\" => \"julia_main\"]"))
    found = Pair{String,String}[]
    for item in (executables isa Pair ? [executables] : executables)
        item isa Pair && item.first isa Names && item.second isa Names ||
            throw(wrong_item(:executables, item, "pairs such as \"name\" => \"julia_main\""))
        push!(found, String(item.first) => String(item.second))
    end
    isempty(found) && throw(BuildError("`executables` is empty";
        hint="leave it out for one that is named after the package and calls `julia_main`"))
    for (name, called) in found
        check_file_name("`executables`", name)
        name == Base.julia_exename() && throw(BuildError("an executable cannot be called `$name`";
            cause="workers of Distributed start the one of that name", hint="choose another name"))
        Base.isidentifier(called) || throw(BuildError("`executables` names the function `$called`";
            hint="give the name of a function of the package, such as \"julia_main\""))
    end
    names = first.(found)
    allunique(names) || throw(BuildError("`executables` holds a name twice: " * join(names, ", ")))
    return found
end

function check_file_name(what, name)
    check_text(what, name)
    (isempty(strip(name)) || '/' in name || name in (".", "..")) && throw(BuildError(
        "$what holds `$name`, which no file can be called"; hint="give a name without a folder"))
    return nothing
end
