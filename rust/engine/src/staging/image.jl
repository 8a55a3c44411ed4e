# Runs in the image process (`--output-o`): what is loaded and compiled when this file ends is the
# image. Base does not initialise itself there, hence the first lines. The work is done in a module
# that nothing refers to afterwards, so that the image holds none of its names. Julia keeps some of its
# methods all the same, and with them the file: a bare name, as the work folder is another each time.
Base.reinit_stdio()
Core.eval(Sys, :(BINDIR = ccall(:jl_get_julia_bindir, Any, ())::String))

let staging = Module(:PackageCompilerRSStaging)
    spec = isempty(ARGS) ? Core.ARGS[end] : ARGS[1]
    # Not `@__DIR__`: Julia 1.10 keeps what is written in compiled code.
    folder = joinpath(dirname(spec), "staging")
    # Nearly all of it runs once: on Julia 1.12 compiling it took seconds, and the memory for that stayed
    # until the heap was written, when an image takes most. Julia 1.5 cannot be told.
    if isdefined(Base.Experimental, Symbol("@compiler_options"))
        Core.eval(staging, :(Base.Experimental.@compiler_options compile = min infer = no optimize = 0))
    end
    file = "image_process.jl"
    Base.include_string(staging, read(joinpath(folder, file), String), file)
    Core.eval(staging, :(read_neighbours($folder)))
    Core.eval(staging, :(build_image($spec, $folder)))
end
