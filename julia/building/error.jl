"""
    BuildError <: Exception

A sysimage that was not built. Fields:

- `stage::Symbol`: where it failed: `:check` (before anything was compiled; also what an app, library or bundle needs
  beside its image), `:base`, `:precompile`, `:trace`, `:statements`, `:image`, `:link`, `:verify` or `:publish`;
- `message::String`: what failed;
- `cause::Union{String,Nothing}`: why, as far as is known;
- `hint::Union{String,Nothing}`: what to do next;
- `log::Union{String,Nothing}`: path of the full log;
- `output::Vector{String}`: the last lines that the failed process wrote.

# Examples
```julia
try
    create_sysimage(["Exmaple"]; sysimage_path="Example.so")
catch err
    err isa BuildError || rethrow()
    println(err.stage, ": ", err.message)
end
```
"""
struct BuildError <: Exception
    stage::Symbol
    message::String
    cause::Union{String,Nothing}
    hint::Union{String,Nothing}
    log::Union{String,Nothing}
    output::Vector{String}
end

function BuildError(message::AbstractString; stage=:check, cause=nothing, hint=nothing)
    return BuildError(stage, message, cause, hint, nothing, String[])
end

function BuildError(table::AbstractDict)
    return BuildError(Symbol(table["stage"]), table["message"], table["cause"], table["hint"],
        table["log"], table["output"])
end

Base.show(io::IO, err::BuildError) =
    print(io, "BuildError(", repr(err.stage), ", ", repr(err.message), ")")

"What every error of this package has: message, cause and next step."
function show_failure(io, name, err)
    print(io, name, ": ", err.message)
    err.cause === nothing || print(io, "\n  cause: ", err.cause)
    err.hint === nothing || print(io, "\n  next:  ", err.hint)
    return nothing
end

function Base.showerror(io::IO, err::BuildError)
    show_failure(io, "BuildError in stage $(err.stage)", err)
    err.log === nothing || print(io, "\n  log:   ", err.log)
    if !isempty(err.output)
        print(io, "\n  last output:")
        foreach(line -> print(io, "\n    ", line), err.output)
    end
    return nothing
end

"Runs `f`; what it throws, other than a `BuildError`, becomes the cause of one with `message`."
function with_cause(f, message; hint=nothing)
    failure = try
        return f()
    catch err
        (err isa InterruptException || err isa BuildError) && rethrow()
        err
    end
    # Outside of `catch`, so that nobody is shown the stack of the cause too.
    throw(BuildError(message; cause=first_line(failure), hint=hint))
end

first_line(err) = first_sentence(sprint(showerror, err))

"The first line of `text`, with the next ones where it only announces them, by a colon at its end."
function first_sentence(text)
    sentence = ""
    for line in split(text, '\n')
        line = strip(line)
        # What would follow is no reason.
        startswith(line, "Stacktrace:") && break
        isempty(line) && continue
        sentence = isempty(sentence) ? String(line) : string(sentence, ' ', line)
        endswith(sentence, ':') && length(sentence) < MOST_OF_SENTENCE || break
    end
    return String(rstrip(sentence, ':'))
end

"Characters after which no further line is added."
const MOST_OF_SENTENCE = 300
