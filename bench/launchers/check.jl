# What launchers with `refresh` cost at each start beside those without: both are started in turn, on a Julia that does
# nothing. The project has a Manifest of 500 packages, and packages tracked by path with as many files as asked for.
#
#   deps/with_julia.sh bench/launchers/check.jl [--files=10,300] [--rounds=200]

using PackageCompilerRS
using PackageCompilerRS: Options, inspect_image, make_plan, note_inputs, stamp_of, write_json

option(name, default) = something(iterator_first(split(arg, '='; limit=2)[2] for arg in ARGS if startswith(arg, "--$name=")), default)
iterator_first(items) = (next = iterate(items); next === nothing ? nothing : first(next))
const FILES = parse.(Int, split(option("files", "10,300"), ','))
const ROUNDS = parse(Int, option("rounds", "200"))
const PACKAGES = 500

hex(number, length) = string(number; base=16, pad=length)

"A project in `folder` that tracks a package of `files` files by path."
function write_project(folder, files)
    own = "11111111-aaaa-4aaa-8aaa-000000000001"
    source = mkpath(joinpath(folder, "Own", "src"))
    write(joinpath(folder, "Own", "Project.toml"), "name = \"Own\"\nuuid = \"$own\"\nversion = \"0.1.0\"\n")
    write(joinpath(source, "Own.jl"), "module Own\nend\n")
    foreach(i -> write(joinpath(source, "part$i.jl"), "part$i(x) = x + $i\n"), 2:files)
    write(joinpath(folder, "Project.toml"), "[deps]\nOwn = \"$own\"\n")
    open(joinpath(folder, "Manifest.toml"), "w") do io
        println(io, "[[Own]]\npath = \"Own\"\nuuid = \"$own\"\nversion = \"0.1.0\"\n")
        for i in 2:PACKAGES
            println(io, "[[Package$i]]\ngit-tree-sha1 = \"", hex(i, 40), "\"\nuuid = \"22222222-bbbb-4bbb-8bbb-",
                hex(i, 12), "\"\nversion = \"1.0.$i\"\n")
        end
    end
    return folder
end

"A file that counts as an image of the project, with the stamp that a build would leave."
function write_image(path, project)
    write(path, "an image")
    plan = make_plan(["Own"], Options(; sysimage_path=path, project=project, quiet=true, dry_run=true, cpu_target="native"))
    stamp = stamp_of(plan, path)
    stamp["content_key"] = repeat("0", 64)
    stamp["image_hash"] = inspect_image(path)["hash"]
    # In the order of the engine, which launchers rely on.
    first = [string(write_json(key), ':', write_json(pop!(stamp, key))) for key in
        ("schema", "content_key", "image_hash", "julia_version")]
    write(path * ".json", "{", join(first, ','), ',', chop(write_json(stamp); head=1, tail=0))
    return path
end

function write_julia(path)
    commit = "0123456789abcdef"
    write(path * ".commit", commit, '\n')
    write(path, """
        #!/bin/sh
        case \$* in
        --version) echo "julia version $VERSION" ;;
        *identity.jl*) printf '%s\\0%s\\0%s\\0%s' '$path' '$VERSION' '$commit' '$path.commit' ;;
        esac
        """)
    chmod(path, 0o755)
    return path
end

median(times) = sort(times)[cld(length(times), 2)]
milliseconds(seconds) = rpad(round(1000 * seconds; digits=1), 6)

function measure(files)
    mktempdir() do folder
        folder = realpath(folder)
        image = write_image(joinpath(folder, "X.so"), write_project(joinpath(folder, "project"), files))
        julia = write_julia(joinpath(folder, "julia"))
        install(name; keywords...) = Base.CoreLogging.with_logger(Base.CoreLogging.NullLogger()) do
            install_launcher(name; sysimage=image, folder=joinpath(folder, "bin"), julia=julia, keywords...)
        end
        plain, fresh = install("plain"), install("fresh"; refresh=:background)
        note_inputs(image) || error("the image does not count as fresh")
        with, without, differences = Float64[], Float64[], Float64[]
        for round in 0:ROUNDS
            one, other = @elapsed(run(`$fresh x`)), @elapsed(run(`$plain x`))
            # The first fills caches.
            round == 0 && continue
            push!(with, one)
            push!(without, other)
            push!(differences, one - other)
        end
        println(lpad(files, 5), "     ", milliseconds(median(without)), "       ", milliseconds(median(with)), "    ",
            milliseconds(median(differences)))
    end
end

println("medians of $ROUNDS pairs, in milliseconds, with a Manifest of $PACKAGES packages")
println("files     without      with      difference")
foreach(measure, FILES)
