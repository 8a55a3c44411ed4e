# The examples of README and docs: every ```julia block runs. A page's blocks share a module, and a
# folder with the demo's project in it. `create_sysimage` only goes as far as a dry run: it finds wrong
# names, types and files. Sessions (julia-repl) and screens are not run.

const REPOSITORY = dirname(@__DIR__)

"The Markdown files of README and docs."
function pages()
    found = [joinpath(REPOSITORY, "README.md")]
    for (folder, _, files) in walkdir(joinpath(REPOSITORY, "docs", "src"))
        append!(found, joinpath.(folder, filter(file -> endswith(file, ".md"), files)))
    end
    return found
end

examples(page) = [m[1] for m in eachmatch(r"^```julia\n(.*?)^```$"ms, read(page, String))]

"Checks the call, and gives a report in the place of one that takes minutes."
function checked(arguments...; keywords...)
    preview = create_sysimage(arguments...; keywords..., dry_run=true)
    get(keywords, :dry_run, false) && return preview
    statement = (text="precompile(f, (Int,))", outcome=:error, detail="why", source="a.jl", line=1, seconds=0.5)
    residual = [(text=statement.text, outcome=nothing, script_local=true)]
    return BuildReport(:built, preview.sysimage_path, 1, 1.0, [], preview.packages,
        preview.developed, [statement], 0,
        residual, PackageCompilerRS.code_origin(Dict("linked" => nothing, "not_linked" => nothing)),
        1, preview.linker, nothing, nothing, String[])
end

function run_page(page, examples)
    scope = Module(:Page)
    Core.eval(scope, :(const checked = $checked))
    Base.CoreLogging.with_logger(Base.CoreLogging.NullLogger()) do
        for text in examples
            Base.include_string(scope, replace(text, "create_sysimage(" => "checked("), page)
        end
    end
    return true
end

"A copy of the demo's project, with what the pages take to be there."
function prepare(folder)
    demo = joinpath(folder, "demo")
    cp(joinpath(REPOSITORY, "examples", "demo"), demo)
    for image in ("DemoSysimage.so", "ExampleSysimage.so")
        symlink(PackageCompilerRS.running_sysimage(), joinpath(demo, image))
    end
    mkdir(joinpath(demo, "workspace"))
    return demo
end

mktempdir() do folder
    homes = ("HOME" => folder, "XDG_DATA_HOME" => nothing, "PCRS_CACHE_DIR" => joinpath(folder, "cache"))
    for (i, page) in enumerate(filter(page -> !isempty(examples(page)), pages()))
        demo = prepare(mkdir(joinpath(folder, string(i))))
        @testset "$(relpath(page, REPOSITORY))" begin
                PackageCompilerRS.with_load_path([demo, REPOSITORY, "@stdlib"]) do
                Base.ACTIVE_PROJECT[] = demo
                @test cd(() -> withenv(() -> run_page(page, examples(page)), homes...), demo)
            end
        end
    end
end
