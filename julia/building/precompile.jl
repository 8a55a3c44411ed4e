# Runs the Julia side of a build while the package itself is precompiled, so that the first call of
# a session does not wait for the compiler. The native code is kept since Julia 1.9; older versions
# keep what inference found. No process is started and nothing but a temporary folder is touched. What
# the user's environment holds has no say, and what goes wrong costs time later, and nothing now.

const SAMPLE_REPORT = """
    {"origin":"built","sysimage_path":"X.so","image_size":1,"seconds":1.0,
     "stages":[{"stage":"image","seconds":1.0}],"packages":[{"name":"A",
     "uuid":"00000000-0000-0000-0000-000000000001","version":"1.0.0","load":true}],
     "statements":{"entries":[{"text":"precompile(f, (Int,))","outcome":"precompiled","detail":"",
     "source":"a.jl","line":1,"seconds":0.5}],"duplicates":0,"residual":null},
     "how":{"linked":null,"not_linked":null},"peak_memory":1,"linker":"cc","base_sysimage":"sys.so","log":null,"warnings":[]}
    """

"Variables that a plan is made of."
const VARIABLES_OF_PLANS = ("JULIA_CC", "PCRS_ALLOCATOR", "PCRS_CACHE_DIR", "PCRS_CACHE_GB")

function run_for_precompilation()
    try
        withenv(run_samples, [name => nothing for name in VARIABLES_OF_PLANS]...)
    catch err
        err isa InterruptException && rethrow()
    end
    return nothing
end

function run_samples()
    mktempdir() do dir
        write(joinpath(dir, "Project.toml"),
            "[deps]\nA = \"00000000-0000-0000-0000-000000000001\"\n")
        write(joinpath(dir, "Manifest.toml"), """
            [[A]]
            path = "A"
            uuid = "00000000-0000-0000-0000-000000000001"
            version = "1.0.0"
            """)
        mkpath(joinpath(dir, "A"))
        # Where this is done on an image of ours, nothing of that matters.
        options = Options(; sysimage_path="X.so", project=dir, base_sysimage=running_sysimage())
        write_json(make_plan(["A"], options))
        # Gets as far as the first check.
        try
            create_sysimage(["A"]; sysimage_path="", project=dir,
                precompile_execution_file="a.jl")
        catch err
            err isa BuildError || rethrow()
            sprint(showerror, err)
        end
    end
    precompile(run_build, (Function, Dict{String,Any}))
    precompile(start_with, (Dict{String,Any}, Symbol, Base.AsyncCondition))
    precompile(dry_run, (Dict{String,Any},))
    precompile(session_base, (Options,))
    precompile(next_event, (Build,))
    precompile(main, (Vector{String},))
    # Scripts ask for it at their start.
    precompile(sysimage_status, (String,))
    report = BuildReport(parse_json(SAMPLE_REPORT))
    sprint(show, MIME"text/plain"(), report)
    lines = LineProgress(IOBuffer())
    foreach(event -> show_event(lines, event), (
        Dict{String,Any}("event" => "stage_started", "stage" => "image", "what" => "x"),
        Dict{String,Any}("event" => "stage_finished", "stage" => "image", "seconds" => 1.0),
        Dict{String,Any}("event" => "finished"),
    ))
    return nothing
end
