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
    statement = (text="precompile(f, (Int,))", outcome=:error, detail="why", package="Example", source="a.jl", line=1, seconds=0.5)
    residual = [(text=statement.text, outcome=nothing, script_local=true)]
    return BuildReport(:built, preview.sysimage_path, 1, 1.0, [], preview.packages,
        preview.developed, [statement], 0,
        residual, nothing, PackageCompilerRS.code_origin(Dict("linked" => nothing, "not_linked" => nothing)),
        [(package="Example", times=2)], 1, [], [], [], preview.linker, nothing, nothing, String[])
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

"The names in the `@docs` blocks of a page."
documented_in(page) = Symbol[Symbol(split(name, '.')[end])
                             for block in eachmatch(r"^```@docs\n(.*?)^```$"ms, read(page, String))
                             for name in split(block[1], '\n'; keepempty=false)]

"What a link to a heading ends with, as Documenter has it: its text without marks, spaces as hyphens."
anchor(heading) = replace(replace(strip(replace(heading, r"[`*]" => "")), ' ' => '-'), r"[^\w\-.,:()/'=!]" => "")

"The links of a page to pages and headings of these docs, as a path and an anchor, which may be empty."
function links(page)
    text = replace(read(page, String), r"^```.*?^```$"ms => "")
    found = [(m[1], something(m[2], "")) for m in eachmatch(r"\]\((?!https?:|@)([^)#\s]*)(?:#([^)\s]*))?\)", text)]
    return [(isempty(path) ? page : normpath(joinpath(dirname(page), path)), heading) for (path, heading) in found]
end

function is_there((page, heading))
    isempty(heading) && return ispath(page)
    return isfile(page) && any(m -> anchor(m[1]) == heading, eachmatch(r"^#+ (.*)$"m, read(page, String)))
end

@testset "the reference and links, without Documenter" begin
    documented = documented_in(joinpath(REPOSITORY, "docs", "src", "reference.md"))
    @test setdiff(names(PackageCompilerRS), documented) == []
    @test filter(name -> !isdefined(PackageCompilerRS, name), documented) == []
    make = read(joinpath(REPOSITORY, "docs", "make.jl"), String)
    names_in_docs = relpath.(pages()[2:end], joinpath(REPOSITORY, "docs", "src"))
    @test filter(name -> !occursin(repr(name), make), names_in_docs) == []
    for page in pages()
        @test filter(!is_there, links(page)) == []
    end
end

"The part of a page below the heading, with that of the next of its kind left out."
section(page, heading) = first(split(split(read(joinpath(REPOSITORY, "docs", "src", page), String), "\n## $heading\n")[2], "\n## "))

@testset "lists in the docs are whole" begin
    inputs = section("howto/caches.md", "What counts as an input")
    # Files have words of their own there; `dry_run` and `image` say which build is meant.
    in_words = (:project, :precompile_execution_file, :precompile_statements_file, :workload, :dry_run, :image)
    @test filter(name -> !occursin(Regex("`$name\\b"), inputs), setdiff(collect(fieldnames(PackageCompilerRS.Options)), in_words)) == []
    statements = read(joinpath(REPOSITORY, "docs", "src", "howto", "statements.md"), String)
    entry = match(r"^\{\"text\".*\}$"m, statements).match
    @test [Symbol(m[1]) for m in eachmatch(r"\"(\w+)\":", entry)] == collect(fieldnames(PackageCompilerRS.StatementRow))
    fields = match(r"Each entry has the fields (.*?)\."s, statements)[1]
    @test [Symbol(m[1]) for m in eachmatch(r"`(\w+)`", fields)] == collect(fieldnames(PackageCompilerRS.StatementRow))
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
