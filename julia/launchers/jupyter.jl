# Launchers that are Jupyter kernels.

kernel_arguments(launcher, kernel_file) = ["-i"; "--color=yes"; options(launcher);
    kernel_command(kernel_file, launcher.project)]

function kernel_spec(launcher, command, system=SYSTEM)
    return write_json(Dict(
        "argv" => [command; "{connection_file}"],
        "display_name" => launcher.name,
        "language" => "julia",
        "env" => Dict{String,String}(),
        # As in IJulia's own kernelspecs.
        "interrupt_mode" => system.jupyter_interrupts,
        "metadata" => Dict("PackageCompilerRS" => marked(launcher)),
    )) * "\n"
end

"""
    kernel_command(kernel_file, project) -> Vector{String}

The arguments that make Julia an IJulia kernel: up to IJulia 1.27 the path of a script, later the
call of a function (IJulia's changelog, 1.28), whose file still is called `kernel.jl`.
"""
function kernel_command(kernel_file, project)
    if kernel_file === nothing
        source = ijulia_source(project)
        source === nothing && throw(LauncherError("IJulia was not found";
            cause="it is neither in $(something(project, "the active project")) nor in the default " *
                  "environment, where the kernel would look for it",
            hint="add it with `Pkg.add(\"IJulia\")`, or give the path of its `src/kernel.jl` " *
                 "with the keyword `kernel_file`"))
        kernel_file = joinpath(dirname(source), "kernel.jl")
    elseif !isfile(kernel_file)
        throw(LauncherError("there is no kernel file `$(abspath(kernel_file))`";
            hint="give the path of IJulia's `src/kernel.jl`"))
    end
    if isfile(kernel_file) && !occursin("function run_kernel", read(kernel_file, String))
        return [abspath(kernel_file)]
    end
    return ["-e", "import IJulia; IJulia.run_kernel()"]
end

const IJULIA = "IJulia"

"""
`Base.find_package` as it would answer in a kernel in `project`: what else this session has in its
`LOAD_PATH`, or has loaded, a kernel does not have.
"""
function ijulia_source(project)
    path = ["@v#.#", "@stdlib"]
    project === nothing || pushfirst!(path, project)
    return with_load_path(() -> Base.find_package(IJULIA), path)
end
