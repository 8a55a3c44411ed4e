# Reads a file of pairs of lines: a line as it was found, with U+0001 for line ends in it, or an empty
# one, and the statement taken from it. Writes those that Julia does not read as one call of `precompile` with arguments, or that
# mean something else than the line they came from; then how many were read.

parsed(text) =
    try
        # A second expression on the line is an error here.
        Base.remove_linenums!(Meta.parse(text))
    catch error
        error
    end

is_statement(ex) = ex isa Expr && ex.head === :call && ex.args[1] === :precompile &&
    length(ex.args) > 1 && !any(a -> a isa Expr && a.head in (:kw, :parameters), ex.args)

same(a, b) = a == b
same(a::Expr, b::Expr) =
    a.head === b.head && length(a.args) == length(b.args) && all(map(same, a.args, b.args))
# NaN and the like, and nodes that hold where they were written.
same(a::LineNumberNode, b::LineNumberNode) = true
same(a::QuoteNode, b::QuoteNode) = same(a.value, b.value)

function main(file)
    count = 0
    lines = readlines(file)
    for i in 1:2:length(lines)
        found, text = replace(lines[i], '\x01' => '\n'), lines[i+1]
        count += 1
        ex = parsed(text)
        if !is_statement(ex)
            println("not one call: ", text, "  ", sprint(show, ex))
        elseif !isempty(found)
            original = parsed(found)
            # A comment that does not end on its line, or a call right after one, is an error.
            is_statement(original) || occursin("#=", found) && continue
            same(original, ex) || println("changed: ", found, "  =>  ", text)
        end
    end
    println("read ", count)
end

main(ARGS[1])
