# Runs the tests of a package as `Pkg.test` does: in a process of their own, in a sandbox that holds
# their dependencies too. ARGS are the package's UUID and name, the file for the trace of that
# process, how many options it gets, these, and the arguments of the tests. (Julia 1.5 takes a `--`
# away.)
import Pkg

"""
Runs `test()`. Where no depot has a registry Pkg would download one first. Tests of packages that
are tracked by path, and need no others but stdlibs, can do without.
"""
function without_download(test, ran)
    folders = joinpath.(DEPOT_PATH, "registries")
    any(folder -> isdir(folder) && !isempty(readdir(folder)), folders) && return test()
    return mktempdir() do depot
        write(joinpath(mkpath(joinpath(depot, "registries", "Empty")), "Registry.toml"), """
            name = "Empty"
            uuid = "22222222-2222-2222-2222-222222222222"
            repo = ""

            [packages]
            """)
        push!(DEPOT_PATH, depot)
        try
            return test()
        catch err
            ran() && rethrow()
            println(stderr, sprint(showerror, err))
        finally
            filter!(!isequal(depot), DEPOT_PATH)
        end
        println(stderr, "Trying again with a registry")
        return test()
    end
end

let package = Pkg.PackageSpec(; uuid=Base.UUID(ARGS[1]), name=ARGS[2]), trace = ARGS[3]
    last = 4 + parse(Int, ARGS[4])
    julia_args = Cmd(["--trace-compile=$trace"; ARGS[5:last]])
    test_args = Cmd(ARGS[(last + 1):end])
    try
        without_download(() -> isfile(trace)) do
            Pkg.test(package; julia_args=julia_args, test_args=test_args)
        end
    catch err
        if !isfile(trace)
            # Julia 1.5 leaves the cursor behind a progress bar; an error is known by how its line
            # begins.
            println(stderr)
            rethrow()
        end
        # Not as an error: the tests have told theirs.
        println(stderr, sprint(showerror, err))
        exit(1)
    end
end
