# Draws a build while it runs: a moving line on a terminal, plain lines elsewhere.

abstract type Progress end

struct NoProgress <: Progress end

"A line where a stage begins and ends, and now and then between; for files, CI and notebooks."
mutable struct LineProgress <: Progress
    io::IO
    "Stages whose beginning and end are not told, as they mostly take no time."
    quiet_stages::Set{String}
    "Seconds after which a stage that is silent says that it is under way."
    silence::Float64
    stage::String
    label::String
    done::Int
    total::Int
    stage_start::Float64
    last_line::Float64
end

LineProgress(io; silence=30.0) = LineProgress(io, Set(["statements", "publish"]), silence, "", "", 0, 0,
    time(), time())

"A line that is drawn anew, below the lines of the stages that are done."
mutable struct BarProgress <: Progress
    io::IO
    stage::String
    what::String
    label::String
    done::Int
    total::Int
    stage_start::Float64
    expected::Union{Float64,Nothing}
end

"""
    progress_for(io; quiet) -> Progress

What fits `io`: nothing if `quiet`, a bar on a terminal that a person looks at, else plain lines.
"""
function progress_for(io; quiet)
    quiet && return NoProgress()
    moving = io isa Base.TTY && !haskey(ENV, "CI") && get(ENV, "TERM", "") != "dumb"
    moving || return LineProgress(io)
    return BarProgress(io, "", "", "", 0, 0, time(), nothing)
end

finish(::Progress) = nothing

function finish(bar::BarProgress)
    clear_line(bar)
    return nothing
end

show_event(::NoProgress, event) = nothing

function show_event(lines::LineProgress, event)
    note(lines, event)
    event["event"] == "warning" && return warn(event)
    text = line_of(lines, event)
    # At the engine's beat and not by a timer, whose task would take the interrupt that is meant for the build.
    text === nothing ? remind(lines, time()) : write_line(lines, text)
    return nothing
end

"Through the logger of the session, so that it can be kept, filtered or turned off."
warn(event) = @warn event["text"]

function write_line(lines, text)
    println(lines.io, text)
    # A file is read while it grows.
    flush(lines.io)
    lines.last_line = time()
    return nothing
end

"Keeps what a reminder would say."
function note(lines, event)
    kind = event["event"]
    if kind == "stage_started"
        lines.stage, lines.label, lines.done, lines.total = event["stage"], "", 0, 0
        lines.stage_start = lines.last_line = time()
    elseif kind == "progress"
        lines.done, lines.total, lines.label = event["done"], event["total"], event["label"]
    elseif kind == "stage_finished"
        lines.stage = ""
    end
    return nothing
end

"Says that the stage is under way, where that was not told for `lines.silence` seconds before `now`."
function remind(lines, now)
    (isempty(lines.stage) || now - lines.last_line < lines.silence) && return nothing
    parts = String["still running after " * format_seconds(now - lines.stage_start)]
    lines.total > 0 && push!(parts, string(lines.done, '/', lines.total))
    isempty(lines.label) || push!(parts, lines.label)
    write_line(lines, stage_line(lines.stage, join(parts, ", ")))
    lines.last_line = now
    return nothing
end

function line_of(lines, event)
    kind = event["event"]
    stage = get(event, "stage", "")
    kind == "output" && return event["shown"] ? event["text"] : nothing
    stage in lines.quiet_stages && return nothing
    kind == "stage_started" && return stage_line(stage, event["what"])
    kind == "stage_finished" && return stage_line(stage, "done in " * format_seconds(event["seconds"]))
    return nothing
end

function show_event(bar::BarProgress, event)
    kind = event["event"]
    if kind == "stage_started"
        bar.stage, bar.what, bar.label = event["stage"], event["what"], ""
        bar.done, bar.total, bar.stage_start = 0, 0, time()
        bar.expected = get(event, "expected", nothing)
    elseif kind == "progress"
        bar.done, bar.total, bar.label = event["done"], event["total"], event["label"]
    elseif kind == "stage_finished"
        clear_line(bar)
        took = format_seconds(event["seconds"])
        println(bar.io, stage_line(event["stage"], rpad(took, 9) * bar.what))
        bar.stage = ""
    elseif kind == "output" && event["shown"]
        clear_line(bar)
        println(bar.io, event["text"])
    elseif kind == "warning"
        clear_line(bar)
        warn(event)
    elseif kind != "beat"
        return nothing
    end
    draw(bar)
    return nothing
end

stage_line(stage, text) = string(rpad(stage, 11), text)

clear_line(bar) = print(bar.io, "\r\e[2K")

const BAR_WIDTH = 20

function draw(bar)
    isempty(bar.stage) && return nothing
    seconds = time() - bar.stage_start
    parts = [stage_line(bar.stage, rpad(format_seconds(seconds), 9))]
    # From an earlier build like this one; silent once it has taken longer.
    if bar.expected !== nothing && bar.expected - seconds > 1
        push!(parts, "about ", format_seconds(round(bar.expected - seconds)), " left  ")
    end
    if bar.total > 0
        filled = clamp(round(Int, BAR_WIDTH * bar.done / bar.total), 0, BAR_WIDTH)
        push!(parts, string('[', '='^filled, ' '^(BAR_WIDTH - filled), "] ", bar.done, '/',
            bar.total, ' '))
    end
    push!(parts, isempty(bar.label) ? bar.what : bar.label)
    width = displaysize(bar.io)[2] - 1
    print(bar.io, "\r\e[2K", first(join(parts), width))
    return nothing
end

function format_seconds(seconds)
    seconds < 60 && return string(round(seconds; digits=1), " s")
    minutes, rest = divrem(round(Int, seconds), 60)
    return string(minutes, " min ", rest, " s")
end
