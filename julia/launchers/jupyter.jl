# Launchers that are Jupyter kernels.

kernel_arguments(launcher, kernel_file) = ["-i"; "--color=yes"; options(launcher);
    kernel_command(kernel_file, launcher.project)]

function kernel_spec(launcher, command)
    return write_json(Dict(
        "argv" => [command; "{connection_file}"],
        "display_name" => launcher.name,
        "language" => "julia",
        "env" => Dict{String,String}(),
        # As in IJulia's own kernelspecs.
        "interrupt_mode" => Sys.iswindows() ? "message" : "signal",
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
            cause="it is not in $(something(project, "the active environments"))",
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

const IJULIA = Base.PkgId(Base.UUID("7073ff75-c697-5162-941a-fcdaad2a7d2a"), "IJulia")

function ijulia_source(project)
    found = find_in(project, IJULIA.name)
    found === nothing || return found
    return haskey(Base.loaded_modules, IJULIA) ? pathof(Base.loaded_modules[IJULIA]) : nothing
end

"`Base.find_package` as it would answer in `project`."
function find_in(project, name)
    project === nothing && return Base.find_package(name)
    saved = copy(LOAD_PATH)
    try
        pushfirst!(LOAD_PATH, project)
        return Base.find_package(name)
    finally
        copy!(LOAD_PATH, saved)
    end
end
