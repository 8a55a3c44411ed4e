"""
    BuildReport

What [`create_sysimage`](@ref) did. Fields:

- `sysimage_path::String`, `image_size::Int` (bytes);
- `seconds::Float64`: wall time of the build; `stages`: a vector of `(stage, seconds)`;
- `packages`: a vector of `(name, uuid, version)`, in the order they were loaded;
- `statements`: a vector of `(text, outcome, detail, source, line, seconds)`, one for each
  statement and each line that was not taken; `outcome` is one of `:precompiled`,
  `:returned_false`, `:script_local`, `:name_not_found`, `:unportable`, `:error`, `:crashed`,
  `:timed_out` and `:rejected`;
- `duplicates::Int`: lines that repeat a statement;
- `peak_memory::Int`: most bytes that all child processes held at one moment;
- `linker::String`, `base_sysimage::Union{String,Nothing}`, `log::Union{String,Nothing}`;
- `warnings::Vector{String}`.
"""
struct BuildReport
    sysimage_path::String
    image_size::Int
    seconds::Float64
    stages::Vector{NamedTuple{(:stage, :seconds),Tuple{Symbol,Float64}}}
    packages::Vector{NamedTuple{(:name, :uuid, :version),
        Tuple{String,Base.UUID,Union{VersionNumber,Nothing}}}}
    statements::Vector{NamedTuple{(:text, :outcome, :detail, :source, :line, :seconds),
        Tuple{String,Symbol,String,String,Int,Float64}}}
    duplicates::Int
    peak_memory::Int
    linker::String
    base_sysimage::Union{String,Nothing}
    log::Union{String,Nothing}
    warnings::Vector{String}
end

function BuildReport(table::AbstractDict)
    statements = table["statements"]
    return BuildReport(
        table["sysimage_path"],
        table["image_size"],
        table["seconds"],
        [(stage=Symbol(s["stage"]), seconds=Float64(s["seconds"])) for s in table["stages"]],
        [(name=p["name"], uuid=Base.UUID(p["uuid"]), version=version_or_nothing(p["version"]))
         for p in table["packages"] if p["load"]],
        [(text=s["text"], outcome=Symbol(s["outcome"]), detail=s["detail"], source=s["source"],
            line=s["line"], seconds=Float64(s["seconds"])) for s in statements["entries"]],
        statements["duplicates"],
        table["peak_memory"],
        table["linker"],
        table["base_sysimage"],
        table["log"],
        table["warnings"],
    )
end

version_or_nothing(::Nothing) = nothing
version_or_nothing(text) = VersionNumber(text)

function Base.show(io::IO, ::MIME"text/plain", report::BuildReport)
    println(io, "Sysimage ", report.sysimage_path, " (", Base.format_bytes(report.image_size),
        ") in ", format_seconds(report.seconds))
    times = [string(s.stage, ' ', format_seconds(s.seconds)) for s in report.stages]
    println(io, "  stages:      ", join(times, ", "))
    named = [p.version === nothing ? p.name : string(p.name, ' ', p.version)
             for p in report.packages]
    println(io, "  packages:    ", isempty(named) ? "none" : shortened(named, 6))
    println(io, "  statements:  ", statement_summary(report))
    println(io, "  base:        ", something(report.base_sysimage, "compiled from Julia's sources"))
    println(io, "  linker:      ", report.linker)
    report.peak_memory > 0 &&
        println(io, "  peak memory: ", Base.format_bytes(report.peak_memory))
    report.log === nothing || println(io, "  log:         ", report.log)
    foreach(text -> println(io, "  warning:     ", text), report.warnings)
    print(io, "  use it:      julia --sysimage=", report.sysimage_path)
    return nothing
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

"""
    BuildPreview

What [`create_sysimage`](@ref) with `dry_run=true` gives: what a build would do. Fields:
`sysimage_path`, `base_sysimage` (`nothing` for a fresh base), `packages` (as in
[`BuildReport`](@ref)), `linker`, `log`, and `commands`, a vector of `(stage, what, command)`.
"""
struct BuildPreview
    sysimage_path::String
    base_sysimage::Union{String,Nothing}
    packages::Vector{NamedTuple{(:name, :uuid, :version),
        Tuple{String,Base.UUID,Union{VersionNumber,Nothing}}}}
    linker::String
    log::String
    commands::Vector{NamedTuple{(:stage, :what, :command),Tuple{Symbol,String,String}}}
end

function BuildPreview(plan, table)
    return BuildPreview(
        table["sysimage_path"],
        get(plan["base"], "path", nothing),
        [(name=p["name"], uuid=Base.UUID(p["uuid"]), version=version_or_nothing(p["version"]))
         for p in plan["packages"] if p["load"]],
        table["linker"],
        table["log"],
        [(stage=Symbol(c["stage"]), what=c["what"], command=c["command"])
         for c in table["commands"]],
    )
end

function Base.show(io::IO, ::MIME"text/plain", preview::BuildPreview)
    println(io, "Would build ", preview.sysimage_path)
    println(io, "  base:     ", something(preview.base_sysimage, "compiled from Julia's sources"))
    println(io, "  linker:   ", preview.linker)
    println(io, "  log:      ", preview.log, " (kept if the build fails)")
    println(io, "  packages:")
    for p in preview.packages
        println(io, "    ", p.name, p.version === nothing ? "" : " $(p.version)", "  ", p.uuid)
    end
    print(io, "  commands:")
    for c in preview.commands
        print(io, "\n    ", c.stage, ": ", c.what, "\n      ", c.command)
    end
    return nothing
end
