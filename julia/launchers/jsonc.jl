# Edits of JSONC (JSON with comments and trailing commas, as VS Code keeps its settings). A node
# knows where in the text it stands, so an edit changes its own bytes and no others.

"A value in a JSONC text. Places are byte indices into the text."
mutable struct JSONCNode
    "`:object`, `:array` or `:value`."
    kind::Symbol
    first::Int
    last::Int
    "Of a `:value`: the string, number, `Bool` or `nothing`."
    value::Any
    items::Vector{JSONCNode}
    "In an object."
    key::Union{Nothing,String}
    "Where the item starts: at its key, or at the value in an array."
    start::Int
    "The comma after the item; 0 when there is none."
    comma::Int
end

"""
    parse_jsonc(text) -> Union{JSONCNode,Nothing}

The value in `text`; `nothing` when there are only blanks and comments. Throws an `ArgumentError`
that names the line where `text` is not JSONC.
"""
function parse_jsonc(text::String)
    source = JSONSource(codeunits(text), startswith(text, '\ufeff') ? 4 : 1)
    try
        skip_comments(source)
        source.at > length(source.bytes) && return nothing
        root = parse_node(source)
        skip_comments(source)
        source.at > length(source.bytes) || bad_json(source)
        return root
    catch err
        err isa ArgumentError || rethrow()
        line = count(==(UInt8('\n')), source.bytes[1:min(source.at - 1, end)]) + 1
        throw(ArgumentError("not JSON at line $line"))
    end
end

function skip_comments(source)
    while true
        skip_space(source)
        if follows(source, "//")
            while source.at <= length(source.bytes) && source.bytes[source.at] != UInt8('\n')
                source.at += 1
            end
        elseif follows(source, "/*")
            source.at += 2
            while !follows(source, "*/")
                peek_byte(source)
                source.at += 1
            end
            source.at += 2
        else
            return nothing
        end
    end
end

function follows(source, word)
    last = source.at + ncodeunits(word) - 1
    return last <= length(source.bytes) && view(source.bytes, source.at:last) == codeunits(word)
end

function parse_node(source)
    first = source.at
    c = Char(peek_byte(source))
    c == '{' && return parse_items(source, :object, '}')
    c == '[' && return parse_items(source, :array, ']')
    value = parse_value(source)
    return JSONCNode(:value, first, source.at - 1, value, JSONCNode[], nothing, first, 0)
end

function parse_items(source, kind, right)
    first = source.at
    items = JSONCNode[]
    source.at += 1
    while true
        skip_comments(source)
        Char(peek_byte(source)) == right && break
        isempty(items) || items[end].comma > 0 || bad_json(source)
        item = kind === :object ? parse_member(source) : parse_node(source)
        push!(items, item)
        skip_comments(source)
        if Char(peek_byte(source)) == ','
            item.comma = source.at
            source.at += 1
        end
    end
    source.at += 1
    return JSONCNode(kind, first, source.at - 1, nothing, items, nothing, first, 0)
end

function parse_member(source)
    start = source.at
    key = parse_string(source)
    skip_comments(source)
    expect(source, ":")
    skip_comments(source)
    node = parse_node(source)
    node.key = key
    node.start = start
    return node
end

"The member called `key`. Of several the last counts, as in VS Code."
function jsonc_member(object, key)
    found = findlast(item -> item.key == key, object.items)
    return found === nothing ? nothing : object.items[found]
end

"The bytes `first:last` of `text`, which are whole characters."
bytes_of(text, first, last) = String(codeunits(text)[first:last])

splice_text(text, first, last, new) =
    string(bytes_of(text, 1, first - 1), new, bytes_of(text, last + 1, ncodeunits(text)))

newline_of(text) = occursin("\r\n", text) ? "\r\n" : "\n"

"What one level is indented by; four blanks, VS Code's default, when nothing is indented yet."
function indent_unit(text)
    found = match(r"^([ \t]+)\""m, text)
    return found === nothing ? "    " : String(found[1])
end

"The blanks that start the line of byte `at`."
line_indent(text, at) = match(r"[^\n]*\z", bytes_of(text, 1, at - 1)).match |>
    line -> String(match(r"^[ \t]*", line).match)

starts_line(text, at) = occursin(r"(^|\n)[ \t]*\z", bytes_of(text, 1, at - 1))

"""
The last byte of the comments that follow byte `at` on its line: those in `/* */` only, or with
`rest` also one that runs to the end of the line.
"""
function comments_end(text, at; rest)
    pattern = rest ? r"\A(?:[ \t]*/\*[^\n]*?\*/)*(?:[ \t]*//[^\r\n]*)?" :
        r"\A(?:[ \t]*/\*[^\n]*?\*/)*"
    return at + ncodeunits(match(pattern, bytes_of(text, at + 1, ncodeunits(text))).match)
end

"""
    append_item(text, container, item) -> String

`text` with `item` (JSON, for an object with its key) as the last of `container`, set as the items
before it are: on a line of its own or not, with a trailing comma or without.
"""
function append_item(text, container, item)
    isempty(container.items) && return fill_empty(text, container, item)
    last = container.items[end]
    separator = starts_line(text, last.start) ?
        newline_of(text) * line_indent(text, last.start) : " "
    if last.comma > 0
        at = comments_end(text, last.comma; rest=true)
        # The comment of the item before may run to the end of the line.
        at == last.comma || separator != " " || (separator = newline_of(text))
        return splice_text(text, at + 1, at, string(separator, item, ","))
    end
    comma = comments_end(text, last.last; rest=false)
    at = comments_end(text, last.last; rest=true)
    at == comma || separator != " " || (separator = newline_of(text))
    text = splice_text(text, at + 1, at, string(separator, item))
    return splice_text(text, comma + 1, comma, ",")
end

function fill_empty(text, container, item)
    newline = newline_of(text)
    outer = line_indent(text, container.first)
    inside = bytes_of(text, container.first + 1, container.last - 1)
    new = string(rstrip(inside), newline, outer, indent_unit(text), item, newline, outer)
    return splice_text(text, container.first + 1, container.last - 1, new)
end

"""
    remove_item(text, container, index, last) -> String

`text` without item `index` of `container`, which goes up to byte `last` (its value, or a comment
that belongs to it), and without the comma and the line that it no longer needs.
"""
function remove_item(text, container, index, last)
    item = container.items[index]
    first, last = item.start, max(last, item.last, item.comma)
    tail = match(r"\A[ \t]*(\r?\n)?", bytes_of(text, last + 1, ncodeunits(text)))
    if starts_line(text, first) && tail[1] !== nothing
        # The line break before goes and the one after stays: what follows keeps its line.
        lead = match(r"(\r?\n)?[ \t]*\z", bytes_of(text, 1, first - 1)).match
        first -= ncodeunits(lead)
        last += ncodeunits(tail.match) - ncodeunits(tail[1])
    elseif item.comma > 0
        last += ncodeunits(tail.match) - ncodeunits(something(tail[1], ""))
    else
        first -= ncodeunits(match(r"[ \t]*\z", bytes_of(text, 1, first - 1)).match)
    end
    text = splice_text(text, first, last, "")
    before = index > 1 ? container.items[index - 1].comma : 0
    if item.comma == 0 && before > 0
        return splice_text(text, before, before, "")
    end
    return length(container.items) == 1 ? close_up(text, container.first) : text
end

"`{}` or `[]` for a container at byte `first` that holds nothing but blanks."
function close_up(text, first)
    blanks = match(r"\A\s*(?=[\]}])", bytes_of(text, first + 1, ncodeunits(text)))
    blanks === nothing && return text
    return splice_text(text, first + 1, first + ncodeunits(blanks.match), "")
end
