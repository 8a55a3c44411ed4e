# Options of a build from a file of the project: the keywords of `create_sysimage` as TOML.

const SYSIMAGE_TOML = "Sysimage.toml"

"What a key of the file takes: in words, as a check, and how a keyword's value is made of it."
struct TomlKey
    expected::String
    accepts::Function
    "Of the value and the file's folder."
    convert::Function
end

is_text(value) = value isa AbstractString
is_number(value) = value isa Real && !(value isa Bool)
is_texts(value) = is_text(value) || value isa AbstractVector && all(is_text, value)
is_suite(value) = value isa AbstractDict && is_text(get(value, "TestSuite", nothing)) &&
    issubset(keys(value), ("TestSuite", "test_args")) &&
    is_texts(get(value, "test_args", String[]))

as_it_is(value, folder) = value
# An empty path is a mistake that is told of later.
in_folder(path::AbstractString, folder) = isempty(strip(path)) ? path : joinpath(folder, at_home(path))
in_folder(paths::AbstractVector, folder) = String[in_folder(path, folder) for path in paths]
command(words::AbstractVector, folder) = Cmd(String[words...])
command(text::AbstractString, folder) = Cmd(Base.shell_split(text))
suite(table::AbstractDict, folder) =
    TestSuite(table["TestSuite"]; test_args=list(get(table, "test_args", String[])))
is_workload(value) = is_text(value) || is_suite(value)
workload_of(value::AbstractString, folder) = in_folder(value, folder)
workload_of(value::AbstractDict, folder) = suite(value, folder)
workload_of(values::AbstractVector, folder) =
    Union{String,TestSuite}[workload_of(value, folder) for value in values]

const TOML_FLAG = TomlKey("true or false", value -> value isa Bool, as_it_is)
const TOML_COUNT = TomlKey("a whole number", value -> is_number(value) && value isa Integer, as_it_is)
const TOML_SECONDS = TomlKey("a number of seconds", is_number, as_it_is)
const TOML_NAMES = TomlKey("a name as a string, or an array of names", is_texts, as_it_is)
const TOML_PATH = TomlKey("a path as a string", is_text, in_folder)
const TOML_PATHS = TomlKey("a path as a string, or an array of them", is_texts, in_folder)

"The keys that `Sysimage.toml` may have: all keywords but `project`, which is where the file is, and `image`,
which chooses a table in it."
const SYSIMAGE_TOML_KEYS = Dict{String,TomlKey}(
    "packages" => TOML_NAMES,
    "sysimage_path" => TOML_PATH,
    "precompile_execution_file" => TOML_PATHS,
    "precompile_statements_file" => TOML_PATHS,
    "workload" => TomlKey(
        "the path of a script, a table as in `{ TestSuite = \"Example\" }`, or an array of these",
        value -> is_workload(value) || value isa AbstractVector && all(is_workload, value), workload_of),
    "incremental" => TOML_FLAG,
    "linked" => TOML_FLAG,
    "compile_all" => TOML_FLAG,
    "filter_stdlibs" => TOML_FLAG,
    "include_transitive_dependencies" => TOML_FLAG,
    "import_into_main" => TOML_FLAG,
    "base_sysimage" => TOML_PATH,
    "cpu_target" => TomlKey("a string or an array of strings", is_texts, as_it_is),
    "script" => TOML_PATH,
    "sysimage_build_args" => TomlKey("a string or an array of strings", is_texts, command),
    "compress_sysimage" => TOML_FLAG,
    "dry_run" => TOML_FLAG,
    "quiet" => TOML_FLAG,
    "log" => TOML_PATH,
    "work_dir" => TOML_PATH,
    "verify" => TomlKey("\"load\", \"trace\" or false",
        value -> value === false || value in ("load", "trace"),
        (value, folder) -> value === false ? false : Symbol(value)),
    "strict" => TOML_FLAG,
    "statement_timeout" => TOML_SECONDS,
    "image_threads" => TOML_COUNT,
    "trace_jobs" => TOML_COUNT,
    "workload_threads" => TOML_COUNT,
    "workload_deps" => TOML_PATHS,
    "idle_limit" => TOML_SECONDS,
    "environment_inputs" => TOML_NAMES,
    "force" => TOML_FLAG,
    "guard" => TOML_FLAG,
    "exclude" => TOML_NAMES,
    "include_stdlibs" => TOML_NAMES,
)

"""
    with_sysimage_toml(packages, keywords, options) -> (packages, keywords)

Adds what the `Sysimage.toml` beside the project file says and the caller does not; `options` are those of
the caller's `keywords`.

# Errors
`BuildError` when neither names a `sysimage_path`, the image that is meant is not in the file, or a key or
value in it is not one that `create_sysimage` takes.
"""
function with_sysimage_toml(packages, keywords, options)
    own_path = options.sysimage_path !== nothing
    file = own_path ? found_sysimage_toml(options.project) : sysimage_toml(options.project)
    if file === nothing || !isfile(file)
        own_path && options.image === nothing && return packages, keywords
        throw(no_sysimage_toml(something(file, SYSIMAGE_TOML), options))
    end
    read = on_demand(read_sysimage_toml, file, options.image, own_path)::Dict{Symbol,Any}
    if !own_path && !haskey(read, :sysimage_path)
        place = options.image === nothing ? "`$file`" : "`[$IMAGES.$(options.image)]` in `$file`"
        throw(BuildError("$place has no `sysimage_path`";
            hint="add a line such as `sysimage_path = \"Sysimage.$(Libdl.dlext)\"` there"))
    end
    own_path && !options.quiet && @info "What the call leaves out is taken from `$file`"
    own = pop!(read, :packages, nothing)
    # `nothing` as in the signature is no path.
    given = Dict{Symbol,Any}(pair for pair in keywords if own_path || pair[1] !== :sysimage_path)
    return something(packages, Some(own)), merge(read, given)
end

sysimage_toml(project) = joinpath(dirname(find_project(project)), SYSIMAGE_TOML)

"As `sysimage_toml`; `nothing` for a project that cannot be found, which the plan tells of."
function found_sysimage_toml(project)
    try
        return sysimage_toml(project)
    catch err
        err isa BuildError || rethrow()
        return nothing
    end
end

no_sysimage_toml(file, options) = options.image === nothing ?
    BuildError("`sysimage_path` is missing, and there is no `$file`";
        hint="give the keyword, or write that file; a minimal one is the line " *
             "`sysimage_path = \"Sysimage.$(Libdl.dlext)\"`") :
    BuildError("`image` is given, and there is no `$file`";
        hint="leave it out, or write that file, with a table `[$IMAGES.$(options.image)]`")

"The table of `Sysimage.toml` with a table for each image."
const IMAGES = "images"

"""
    read_sysimage_toml(file, image, own_path) -> Dict{Symbol,Any}

What the file says of `image` (`nothing` where it has one only, or where the caller has an own path), as
values of keywords and `:packages`; paths are absolute.
"""
function read_sysimage_toml(file, image, own_path)
    table = read_toml(file)
    images = get(table, IMAGES, Dict{String,Any}())
    images isa AbstractDict && all(value -> value isa AbstractDict, values(images)) ||
        throw(BuildError("`$IMAGES` in `$file` is $(shown(images))";
            hint="it must hold a table for each image, such as `[$IMAGES.plots]`"))
    names = sort!(collect(keys(images)))
    options = keywords_of(Dict{String,Any}(pair for pair in table if pair[1] != IMAGES), file)
    # Each is read, so that a mistake does not wait for its image.
    tables = Dict{String,Any}(name => keywords_of(images[name], file) for name in names)
    if image === nothing
        isempty(names) || own_path || haskey(options, :sysimage_path) ||
            throw(BuildError("`$file` has several images"; hint="choose one: $(choices(names))"))
        return options
    end
    haskey(tables, string(image)) || throw(BuildError("`$file` has no image `$image`";
        hint=isempty(names) ? "add a table `[$IMAGES.$image]`" : "choose one: $(choices(names))"))
    return merge(options, tables[string(image)])
end

choices(names) = join(["`image=$(repr(name))`" for name in names], ", ")

function keywords_of(table, file)
    options = Dict{Symbol,Any}()
    for (name, value) in table
        key = get(SYSIMAGE_TOML_KEYS, name, nothing)
        key === nothing && throw(unknown_key(file, name))
        key.accepts(value) || throw(BuildError(
            "`$name` in `$file` is $(repr(value))"; hint="it must be $(key.expected)"))
        options[Symbol(name)] = with_cause("`$name` in `$file` is $(repr(value))") do
            key.convert(value, dirname(file))
        end
    end
    return options
end

function unknown_key(file, name)
    near = nearest(name, keys(SYSIMAGE_TOML_KEYS))
    hint = if name == "project"
        "the file is for the project whose folder it is in"
    elseif name == "image"
        "it is for calls; in the file each image has a table, `[$IMAGES.NAME]`"
    elseif isempty(near)
        "the keys are those keywords of `create_sysimage`: " *
        join(sort!(collect(keys(SYSIMAGE_TOML_KEYS))), ", ")
    else
        "did you mean $(join(string.('`', near, '`'), " or "))?"
    end
    return BuildError("unknown key `$name` in `$file`"; hint=hint)
end
