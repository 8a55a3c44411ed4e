# Writes what Julia's parser sees included in the files below a folder: the file, whether it is
# code, and the path, for every path that is made of literals.

value(ex, file) = nothing
value(text::String, file) = text
function value(ex::Expr, file)
    if ex.head === :macrocall
        ex.args[1] === Symbol("@__DIR__") && return dirname(file)
        ex.args[1] === Symbol("@__FILE__") && return file
        return ex.args[1] === Symbol("@raw_str") ? ex.args[3] : nothing
    elseif ex.head === :string
        parts = [value(part, file) for part in ex.args]
        return any(isnothing, parts) ? nothing : join(parts)
    elseif ex.head === :call && ex.args[1] in (:joinpath, :dirname, :normpath, :string, :*)
        parts = [value(part, file) for part in ex.args[2:end]]
        return any(isnothing, parts) ? nothing : getfield(Base, ex.args[1])(parts...)
    end
    return nothing
end

names(f, name) = f === name ||
    f isa Expr && f.head === :. && length(f.args) == 2 && f.args[2] == QuoteNode(name)

search(ex, file) = nothing
search(ex::QuoteNode, file) = search(ex.value, file)
function search(ex::Expr, file)
    if ex.head === :call
        sorts = [sort for sort in (:include, :include_dependency) if names(ex.args[1], sort)]
        arguments = filter(ex.args[2:end]) do argument
            !(argument isa Expr && argument.head in (:parameters, :kw))
        end
        path = isempty(arguments) ? nothing : value(arguments[end], file)
        if !isempty(sorts) && path !== nothing
            println(join((file, sorts[1], normpath(joinpath(dirname(file), path))), '\t'))
        end
    end
    foreach(argument -> search(argument, file), ex.args)
end

for (folder, _, files) in walkdir(ARGS[1]), name in files
    file = joinpath(folder, name)
    endswith(name, ".jl") && isfile(file) || continue
    println(file)
    search(Base.parse_input_line(read(file, String); filename = file), file)
end
