# Rows of reports.
const StageTime = NamedTuple{(:stage, :seconds),Tuple{Symbol,Float64}}
const PackageRow =
    NamedTuple{(:name, :uuid, :version),Tuple{String,Base.UUID,Union{VersionNumber,Nothing}}}
const DevelopedRow = NamedTuple{(:name, :path),Tuple{String,String}}
const StatementRow = NamedTuple{(:text, :outcome, :detail, :package, :source, :line, :seconds),
    Tuple{String,Symbol,String,Union{String,Nothing},String,Int,Float64}}
const ResidualRow =
    NamedTuple{(:text, :outcome, :script_local),Tuple{String,Union{Symbol,Nothing},Bool}}
const StartRow =
    NamedTuple{(:package, :text),Tuple{Union{String,Nothing},String}}
const AtStart = NamedTuple{(:compiled, :lines, :printed),Tuple{Vector{StartRow},Int,Vector{String}}}
const RefusedRow = NamedTuple{(:path, :reason),Tuple{String,String}}
const LayerRow = NamedTuple{
    (:made, :packages, :statements, :size, :from_base, :from_packages, :compiled, :left_out, :refused),
    Tuple{Bool,Vector{String},Int,Int,Int,Int,Int,Int,Vector{RefusedRow}}}
const CodeOrigin = NamedTuple{
    (:linked, :from_base, :from_packages, :compiled, :left_out, :refused, :not_linked, :layer),
    Tuple{Bool,Int,Int,Int,Int,Vector{RefusedRow},Union{String,Nothing},Union{LayerRow,Nothing}}}
const SpanRow = NamedTuple{(:stage, :kind, :what, :layer, :start, :stop, :turn),
    Tuple{Symbol,Symbol,String,Bool,Float64,Float64,Union{Float64,Nothing}}}
const MemoryRow = NamedTuple{(:seconds, :bytes),Tuple{Float64,Int}}
const SizeRow = NamedTuple{(:part, :owner, :package, :bytes),
    Tuple{Symbol,Union{Symbol,Nothing},Union{String,Nothing},Int}}
const NamedFolderRow = NamedTuple{(:package, :times),Tuple{String,Int}}
const CommandRow = NamedTuple{(:stage, :what, :command),Tuple{Symbol,String,String}}

"""
    BuildReport

What [`create_sysimage`](@ref) did. Fields:

- `origin::Symbol`: `:built` by this call, `:cached` from an earlier build of the same, or
  `:up_to_date`; the statements and sizes are then those of that build, and with `:up_to_date` also `stages`,
  `timeline` and the memory;
- `sysimage_path::String`, `image_size::Int` (bytes);
- `seconds::Float64`: wall time of this call; `stages`: a vector of `(stage, seconds)`;
- `packages`: a vector of `(name, uuid, version)`, in the order they were loaded;
- `developed`: a vector of `(name, path)`, those of them that are tracked by path; the image has them as
  they were, and an edit there needs a new image;
- `statements`: a vector of `(text, outcome, detail, package, source, line, seconds)`, one for each
  statement and each line that was not taken (lines of a file that hold no statement past the
  first 1,000 are one); `package` is the one that it names, of several the one loaded last, or `nothing`;
  `line` is 0 for what was traced when the workload `source` ran; `outcome` is one of `:precompiled`, `:returned_false`, `:script_local`, `:name_not_found`, `:unportable`,
  `:error`, `:crashed`, `:timed_out` and `:rejected`;
- `duplicates::Int`: lines that repeat a statement;
- `residual`: with `verify=:trace`, a vector of `(text, outcome, script_local)`: what the workloads
  still compiled on the image; `outcome` is what `statements` says of it (`nothing` if it is not
  there), `script_local` whether it belongs to the workload script, and cannot be saved;
- `at_start`: what each start of the image does before it runs anything for its user, as packages'
  `__init__` ask for it: `compiled`, a vector of `(package, text)`, statements with the package that
  they name (or `nothing`), `lines::Int`, how many lines are written, and `printed`, the last of them;
  `nothing` where the image was not started;
- `how`: where the native code comes from: `linked::Bool`, whether code that was on the disk already
  was linked in; then `from_base` and `from_packages` are the functions linked in from the base image
  and from packages' caches, `compiled` those that were compiled, `left_out` the methods of
  dependencies that nobody asked for, and `refused` a vector of `(path, reason)` of caches whose code
  was compiled anew; `not_linked` says why everything was compiled, if `linked=true` was asked for;
  `layer` is `nothing`, or of the layer that it was built on, which is what `from_base` counts then,
  `(made, packages, statements, size, from_base, from_packages, compiled, left_out, refused)`: whether
  this build made it, or the cache had it, the names of its packages, how many statements it was made
  with, the bytes of its file, and the same of its own code;
- `named_folders`: a vector of `(package, times)`: how often the image names a path in the folder of a
  package, most first: what it may look for there is not found on another machine;
- `peak_memory::Int`: most bytes that all child processes held at one moment;
- `timeline`: a vector of `(stage, kind, what, layer, start, stop, turn)`: what ran, by its start, in seconds
  since the build began; `kind` is `:stage`, `:process` for a child, or `:engine` for other work; `layer` says
  whether it was for the layer below the image; `turn` is when its turn came, for a process that began
  ahead of that to get ready, else `nothing`;
- `memory`: a vector of `(seconds, bytes)`, at most 400: what all child processes held in memory
  together, `seconds` after the build began; pages that several share count for each;
- `sizes`: a vector of `(part, owner, package, bytes)`, largest first: what the bytes of the image are;
  they sum to `image_size`. `part` is `:code`, `:data` (constants and variables of code), `:heap` (Julia's objects),
  `:debug_information`, `:unwind`, `:symbols`, `:relocations`, `:other`, or `:file` for the whole of a file that is
  not ELF. `owner` says for code and data where they come from: `:base`, `:package` (then `package` is its name),
  `:layer` (compiled when that was made) or `:new` (compiled by this build); else it is `nothing`: Julia writes the
  heap as one piece, and linkers join the other parts of all;
- `linker::String`, `base_sysimage::Union{String,Nothing}`, `log::Union{String,Nothing}`;
- `warnings::Vector{String}`.
"""
struct BuildReport
    origin::Symbol
    sysimage_path::String
    image_size::Int
    seconds::Float64
    stages::Vector{StageTime}
    packages::Vector{PackageRow}
    developed::Vector{DevelopedRow}
    statements::Vector{StatementRow}
    duplicates::Int
    residual::Union{Nothing,Vector{ResidualRow}}
    at_start::Union{Nothing,AtStart}
    how::CodeOrigin
    named_folders::Vector{NamedFolderRow}
    peak_memory::Int
    timeline::Vector{SpanRow}
    memory::Vector{MemoryRow}
    sizes::Vector{SizeRow}
    linker::String
    base_sysimage::Union{String,Nothing}
    log::Union{String,Nothing}
    warnings::Vector{String}
end

function BuildReport(table::AbstractDict)
    statements = table["statements"]
    return BuildReport(
        Symbol(table["origin"]),
        table["sysimage_path"],
        table["image_size"],
        table["seconds"],
        StageTime[StageTime((Symbol(s["stage"]), s["seconds"])) for s in table["stages"]],
        loaded_packages(table["packages"]),
        developed_packages(table["packages"]),
        StatementRow[statement_row(s) for s in statements["entries"]],
        statements["duplicates"],
        residual_of(statements["residual"]),
        at_start_of(get(statements, "at_start", nothing)),
        code_origin(table["how"]),
        NamedFolderRow[NamedFolderRow((row["package"], row["times"])) for row in get(table, "named_folders", [])],
        table["peak_memory"],
        SpanRow[span_row(s) for s in get(table, "timeline", [])],
        MemoryRow[MemoryRow((m["seconds"], m["bytes"])) for m in get(table, "memory", [])],
        SizeRow[SizeRow((Symbol(s["part"]), symbol_or_nothing(s["owner"]), s["package"], s["bytes"]))
                for s in get(table, "sizes", [])],
        table["linker"],
        table["base_sysimage"],
        table["log"],
        table["warnings"],
    )
end

residual_of(::Nothing) = nothing
residual_of(rows) = ResidualRow[
    ResidualRow((r["text"], symbol_or_nothing(r["outcome"]), r["script_local"])) for r in rows
]

at_start_of(::Nothing) = nothing
at_start_of(table) = AtStart((StartRow[StartRow((c["package"], c["text"])) for c in table["compiled"]],
    table["lines"], String[line for line in table["printed"]]))

function code_origin(how)
    why, linked = how["not_linked"], how["linked"]
    linked === nothing && return CodeOrigin((false, 0, 0, 0, 0, RefusedRow[], why, nothing))
    return CodeOrigin((true, code_counts(linked)..., why, layer_row(get(how, "layer", nothing))))
end

code_counts(linked) = (linked["from_base"], linked["from_packages"], linked["compiled"], linked["left_out"],
    RefusedRow[RefusedRow((r["path"], r["reason"])) for r in linked["refused"]])

layer_row(::Nothing) = nothing
layer_row(table) = LayerRow((table["made"], String[name for name in table["packages"]], table["statements"],
    table["size"], code_counts(table["code"])...))

symbol_or_nothing(text) = text === nothing ? nothing : Symbol(text)

statement_row(s) = StatementRow((s["text"], Symbol(s["outcome"]), s["detail"], get(s, "package", nothing),
    s["source"], s["line"], s["seconds"]))

span_row(s) = SpanRow((Symbol(s["stage"]), Symbol(s["kind"]), s["what"], s["layer"], s["start"], s["stop"], s["turn"]))

function loaded_packages(tables)
    rows = PackageRow[]
    for p in tables
        version = p["version"] === nothing ? nothing : VersionNumber(p["version"])
        p["load"] && push!(rows, PackageRow((p["name"], Base.UUID(p["uuid"]), version)))
    end
    return rows
end

developed_packages(tables) = DevelopedRow[DevelopedRow((p["name"], p["path"])) for p in tables
    if p["load"] && get(p, "path", nothing) !== nothing]

named_with_paths(rows) = shortened([string(row.name, " (", row.path, ')') for row in rows], 6)

function Base.show(io::IO, ::MIME"text/plain", report::BuildReport)
    print_summary(io, report)
    times = [string(s.stage, ' ', format_seconds(s.seconds)) for s in report.stages]
    println(io, "  stages:      ", join(times, ", "))
    named = [p.version === nothing ? p.name : string(p.name, ' ', p.version)
             for p in report.packages]
    println(io, "  packages:    ", isempty(named) ? "none" : shortened(named, 6))
    isempty(report.developed) ||
        println(io, "  developed:   ", named_with_paths(report.developed), ": edits need a new image")
    println(io, "  statements:  ", statement_summary(report))
    slow = slowest_statements(report; most=1)
    isempty(slow) || slow[1].seconds < 1 ||
        println(io, "  slowest:     ", format_seconds(slow[1].seconds), " for ", slow[1].text)
    report.residual === nothing ||
        println(io, "  residual:    ", residual_summary(report.residual))
    starts = start_summary(report.at_start)
    starts === nothing || println(io, "  each start:  ", starts)
    println(io, "  code:        ", code_summary(report.how))
    isempty(report.named_folders) || println(io, "  paths:       ", named_folders_summary(report.named_folders))
    println(io, "  base:        ", something(report.base_sysimage, "compiled from Julia's sources"))
    println(io, "  linker:      ", report.linker)
    report.peak_memory > 0 &&
        println(io, "  peak memory: ", Base.format_bytes(report.peak_memory))
    report.log === nothing || println(io, "  log:         ", report.log)
    foreach(text -> println(io, "  warning:     ", text), report.warnings)
    print(io, "  use it:      julia --sysimage=", report.sysimage_path)
    return nothing
end

function print_summary(io, report)
    how = report.origin === :up_to_date ? " is up to date" :
        report.origin === :cached ? " taken from the cache" : ""
    return println(io, "Sysimage ", report.sysimage_path, how, " (",
        Base.format_bytes(report.image_size), ") in ", format_seconds(report.seconds))
end

function Base.show(io::IO, report::BuildReport)
    return print(io, "BuildReport(", repr(report.sysimage_path), ", ",
        Base.format_bytes(report.image_size), ", ", format_seconds(report.seconds), ")")
end

function shortened(items, most)
    length(items) <= most && return join(items, ", ")
    return string(join(items[1:most], ", "), " and ", length(items) - most, " more")
end

function statement_summary(report)
    counts = Dict{Symbol,Int}()
    for statement in report.statements
        counts[statement.outcome] = get(counts, statement.outcome, 0) + 1
    end
    parts = [string(get(counts, :precompiled, 0), " precompiled")]
    for outcome in sort!(collect(keys(counts)))
        outcome === :precompiled && continue
        push!(parts, string(counts[outcome], ' ', replace(string(outcome), '_' => ' ')))
    end
    return join(parts, ", ")
end

function code_summary(how)
    how.linked || return string("all compiled", how.not_linked === nothing ? "" : ": $(how.not_linked)")
    layer, refused = how.layer, length(how.refused)
    if layer === nothing
        text = code_counts_summary(how, "the base", "packages")
    else
        refused += length(layer.refused)
        text = string(code_counts_summary(how, "a layer of " * counted(length(layer.packages), "package"), "those above"),
            "; in the layer, ", layer.made ? "made by this build" : "which the cache had", ", ",
            code_counts_summary(layer, "the base", "packages"))
    end
    refused == 0 && return text
    return string(text, "; ", counted(refused, "cache"), " compiled anew, see `report.how`")
end

code_counts_summary(code, base, packages) = string(code.from_base, " functions linked in from ", base, ", ",
    code.from_packages, " from ", packages, ", ", code.compiled, " compiled")

function named_folders_summary(rows)
    into = [string(row.times, " into ", row.package) for row in rows]
    return string(shortened(into, 6), ", as this machine has them")
end

function residual_summary(residual)
    isempty(residual) && return "the workloads compile nothing on the image"
    own = count(row -> row.script_local, residual)
    rest = length(residual) - own
    parts = String[]
    own == 0 || push!(parts, string(own, " of the scripts themselves, which cannot be saved"))
    rest == 0 || push!(parts, string(rest, " of packages, see `report.residual`"))
    return string("the workloads still compile ", join(parts, " and "))
end

"What each start of an image does that could be spared, or `nothing`."
function start_summary(at_start)
    at_start === nothing && return nothing
    parts = String[]
    if !isempty(at_start.compiled)
        names = String[something(row.package, "others") for row in at_start.compiled]
        counts = [string(count(isequal(name), names), ' ', name) for name in unique(names)]
        push!(parts, string("compiles ", counted(length(names), "method"), " (", shortened(counts, 6),
            "), see `report.at_start`"))
    end
    at_start.lines == 0 || push!(parts, string("writes ", counted(at_start.lines, "line"), ", such as `",
        first(strip(at_start.printed[1]), 80), '`'))
    return isempty(parts) ? nothing : join(parts, " and ")
end

"""
    slowest_statements(report; most=10) -> Vector

The `most` statements of `report` that took longest to compile, slowest first; rows are as in
`report.statements`, their `seconds` measured in the process that made the image.

# Examples
```julia
report = create_sysimage("Example"; sysimage_path="Example.so")
for s in slowest_statements(report)
    println(s.seconds, "  ", s.text)
end
```
"""
function slowest_statements(report::BuildReport; most::Integer=10)
    rows = sort(report.statements; by=s -> s.seconds, rev=true)
    return rows[1:min(most, end)]
end

"""
    write_report(path, report) -> String

Writes all of `report` to the file at `path`, and gives `path` back: where that ends in `.html`, as a page to
look at, which holds the same numbers and needs nothing else; else as JSON. UUIDs, versions and symbols
become strings.

The page shows what ran when and at once, the memory of all processes over time, what the image's bytes are
and whose, what it is built on, the statements with a filter, and what is still compiled in each session.

# Errors
`ArgumentError` when that file is the image or its stamp, `X.so.json` beside `X.so`, without which launchers and the
next build do not know the image; `SystemError` when the file cannot be written.

# Examples
```julia
report = create_sysimage("Example"; sysimage_path="Example.so")
write_report("report.json", report)
write_report("report.html", report)
```
"""
function write_report(path::AbstractString, report::BuildReport)
    image = report.sysimage_path
    for (taken, what) in (image => "the image", image * ".json" => "the stamp of the image")
        ispath(taken) && same_path(path, taken) &&
            throw(ArgumentError("`$path` is $what; give the report another name"))
    end
    is_page = lowercase(splitext(path)[2]) in (".html", ".htm")
    text = is_page ? report_page(report) : report_json(report)
    write(path, text)
    return path
end

function report_json(report)
    fields = (name => getfield(report, name) for name in fieldnames(BuildReport))
    return write_json((; fields...))
end

"""
    BuildPreview

What [`create_sysimage`](@ref) with `dry_run=true` gives: what a build would do. Fields:
`sysimage_path`, `up_to_date` (nothing would be done: `linker` is `nothing` and `commands` empty),
`base_sysimage` (`nothing` for a fresh base), `packages` and `developed` (as in
[`BuildReport`](@ref)), `not_linked` (why everything would be compiled, if `linked=true` was asked for and
that is known beforehand), `linker`, `log`, `commands`, a vector of `(stage, what, command)`, and
`warnings`.
"""
struct BuildPreview
    sysimage_path::String
    up_to_date::Bool
    base_sysimage::Union{String,Nothing}
    packages::Vector{PackageRow}
    developed::Vector{DevelopedRow}
    not_linked::Union{String,Nothing}
    linker::Union{String,Nothing}
    log::String
    commands::Vector{CommandRow}
    warnings::Vector{String}
end

function BuildPreview(plan, table, warnings)
    return BuildPreview(
        table["sysimage_path"],
        table["up_to_date"],
        get(plan["base"], "path", nothing),
        loaded_packages(plan["packages"]),
        developed_packages(plan["packages"]),
        table["not_linked"],
        table["linker"],
        table["log"],
        CommandRow[CommandRow((Symbol(c["stage"]), c["what"], c["command"]))
                   for c in table["commands"]],
        warnings,
    )
end

function Base.show(io::IO, preview::BuildPreview)
    return print(io, "BuildPreview(", repr(preview.sysimage_path), ", ",
        counted(length(preview.packages), "package"), ", ",
        counted(length(preview.commands), "command"), ")")
end

function Base.show(io::IO, ::MIME"text/plain", preview::BuildPreview)
    println(io, preview.up_to_date ? "Nothing to do, up to date: " : "Would build ", preview.sysimage_path)
    println(io, "  base:     ", something(preview.base_sysimage, "compiled from Julia's sources"))
    preview.not_linked === nothing || println(io, "  code:     all would be compiled: ", preview.not_linked)
    preview.linker === nothing || println(io, "  linker:   ", preview.linker)
    println(io, "  log:      ", preview.log)
    println(io, "  packages:")
    for p in preview.packages
        println(io, "    ", p.name, p.version === nothing ? "" : " $(p.version)", "  ", p.uuid)
    end
    isempty(preview.developed) || println(io, "  developed: ", named_with_paths(preview.developed),
        ": the image will have them as they are now")
    foreach(text -> println(io, "  warning:  ", text), preview.warnings)
    print(io, "  commands:", preview.up_to_date ? " none; `force=true` builds it all the same" : "")
    for c in preview.commands
        print(io, "\n    ", c.stage, ": ", c.what, "\n      ", c.command)
    end
    return nothing
end
