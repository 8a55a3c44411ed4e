# What is drawn while a build runs, where there is no terminal.

using PackageCompilerRS: LineProgress, NoProgress, remind, show_event

started(stage) = Dict{String,Any}("event" => "stage_started", "stage" => stage, "what" => "doing it")
step(stage, done) = Dict{String,Any}("event" => "progress", "stage" => stage, "done" => done, "total" => 9,
    "label" => "Greeter")
finished(stage) = Dict{String,Any}("event" => "stage_finished", "stage" => stage, "seconds" => 1.0)
const WARNING = Dict{String,Any}("event" => "warning", "stage" => "image", "text" => "mind the gap")

"What is written from now on."
written(lines) = String(take!(lines.io))

@testset "stages that are silent" begin
    for stage in ("check", "base", "precompile", "trace", "statements", "image", "link", "verify", "publish")
        lines = LineProgress(IOBuffer(); silence=30)
        show_event(lines, started(stage))
        begun = written(lines)
        @test isempty(begun) == (stage in lines.quiet_stages)
        now = lines.last_line
        remind(lines, now + 29)
        @test written(lines) == ""
        remind(lines, now + 30)
        # Since the stage began, a moment before its line was written.
        @test occursin(r"^ *still running after 3\d\.\d s", replace(written(lines), stage => ""; count=1))
        # The reminder is a line too.
        remind(lines, now + 59)
        @test written(lines) == ""
        show_event(lines, step(stage, 4))
        remind(lines, now + 90)
        @test endswith(written(lines), "1 min 30 s, 4/9, Greeter\n")
        show_event(lines, finished(stage))
        take!(lines.io)
        remind(lines, now + 1000)
        @test written(lines) == ""
    end
    # What a child says that is not shown is no word.
    lines = LineProgress(IOBuffer(); silence=30)
    show_event(lines, started("base"))
    take!(lines.io)
    lines.last_line -= 31
    show_event(lines, Dict{String,Any}("event" => "beat"))
    @test startswith(written(lines), "base       still running after")
    # As long as there is output nobody waits for a word.
    lines = LineProgress(IOBuffer(); silence=30)
    show_event(lines, started("trace"))
    lines.last_line -= 100
    show_event(lines, Dict{String,Any}("event" => "output", "stage" => "trace", "text" => "hello", "shown" => true))
    take!(lines.io)
    remind(lines, lines.last_line + 29)
    @test written(lines) == ""
end

@testset "warnings go through the logger" begin
    lines = LineProgress(IOBuffer())
    @test_logs (:warn, "mind the gap") show_event(lines, WARNING)
    @test written(lines) == ""
    @test_logs show_event(NoProgress(), WARNING)
end

@testset "a bar moves while nothing happens" begin
    io = IOBuffer()
    bar = PackageCompilerRS.BarProgress(io, "image", "doing it", "", 0, 0, time() - 75, nothing)
    show_event(bar, Dict{String,Any}("event" => "beat"))
    @test occursin("image      1 min 15 s", String(take!(io)))
    show_event(bar, Dict{String,Any}("event" => "finished"))
    @test isempty(take!(io))
end
