# The values that cross between Julia and the engine. Julia has no JSON in its standard library;
# what is needed of it is small.

function write_json(@nospecialize(value))
    io = IOBuffer()
    write_json(io, value)
    return String(take!(io))
end

write_json(io::IO, ::Nothing) = print(io, "null")
write_json(io::IO, value::Union{Bool,Real}) = print(io, value)
write_json(io::IO, value::Union{Symbol,Base.UUID,VersionNumber}) = write_json(io, string(value))

function write_json(io::IO, text::AbstractString)
    print(io, '"')
    for c in text
        if c == '"' || c == '\\'
            print(io, '\\', c)
        elseif c < ' '
            print(io, "\\u", lpad(string(UInt16(c); base=16), 4, '0'))
        else
            print(io, c)
        end
    end
    print(io, '"')
    return nothing
end

# Compiled once for all types of containers: compiling costs more than a plan takes to write.

function write_json(io::IO, @nospecialize(items::Union{AbstractVector,Tuple}))
    print(io, '[')
    for i in 1:length(items)
        i == 1 || print(io, ',')
        write_json(io, items[i])
    end
    print(io, ']')
    return nothing
end

write_json(io::IO, @nospecialize(table::AbstractDict)) =
    write_table(io, sort!(collect(keys(table))), table)
write_json(io::IO, @nospecialize(table::NamedTuple)) = write_table(io, keys(table), table)

function write_table(io, @nospecialize(names), @nospecialize(table))
    print(io, '{')
    for i in 1:length(names)
        i == 1 || print(io, ',')
        write_json(io, names[i])
        print(io, ':')
        write_json(io, table[names[i]])
    end
    print(io, '}')
    return nothing
end

"""
    parse_json(text) -> value

Objects become `Dict{String,Any}`, arrays `Vector{Any}`, `null` is `nothing`. Throws an
`ArgumentError` that names the place where `text` is not JSON.
"""
function parse_json(text::AbstractString)
    source = JSONSource(codeunits(String(text)), 1)
    value = parse_value(source)
    skip_space(source)
    source.at > length(source.bytes) || bad_json(source)
    return value
end

mutable struct JSONSource
    bytes::Base.CodeUnits{UInt8,String}
    at::Int
end

bad_json(source) = throw(ArgumentError("not JSON at byte $(source.at)"))

function peek_byte(source)
    source.at <= length(source.bytes) || bad_json(source)
    return @inbounds source.bytes[source.at]
end

function skip_space(source)
    while source.at <= length(source.bytes) && source.bytes[source.at] in (0x20, 0x09, 0x0a, 0x0d)
        source.at += 1
    end
    return nothing
end

function expect(source, word)
    for byte in codeunits(word)
        peek_byte(source) == byte || bad_json(source)
        source.at += 1
    end
    return nothing
end

function parse_value(source)
    skip_space(source)
    c = Char(peek_byte(source))
    c == '{' && return parse_object(source)
    c == '[' && return parse_array(source)
    c == '"' && return parse_string(source)
    c == 't' && (expect(source, "true"); return true)
    c == 'f' && (expect(source, "false"); return false)
    c == 'n' && (expect(source, "null"); return nothing)
    return parse_number(source)
end

function parse_object(source)
    table = Dict{String,Any}()
    each_item(source, '{', '}') do
        skip_space(source)
        key = parse_string(source)
        skip_space(source)
        expect(source, ":")
        table[key] = parse_value(source)
    end
    return table
end

function parse_array(source)
    items = Any[]
    each_item(() -> push!(items, parse_value(source)), source, '[', ']')
    return items
end

function each_item(take, source, left, right)
    expect(source, string(left))
    skip_space(source)
    if Char(peek_byte(source)) == right
        source.at += 1
        return nothing
    end
    while true
        take()
        skip_space(source)
        c = Char(peek_byte(source))
        source.at += 1
        c == right && return nothing
        c == ',' || bad_json(source)
    end
end

const JSON_ESCAPES = Dict('"' => '"', '\\' => '\\', '/' => '/', 'b' => '\b', 'f' => '\f',
    'n' => '\n', 'r' => '\r', 't' => '\t')

function parse_string(source)
    expect(source, "\"")
    out = IOBuffer()
    while true
        byte = peek_byte(source)
        source.at += 1
        if byte == UInt8('"')
            return String(take!(out))
        elseif byte == UInt8('\\')
            c = Char(peek_byte(source))
            source.at += 1
            c == 'u' ? print(out, parse_unicode(source)) :
            haskey(JSON_ESCAPES, c) ? print(out, JSON_ESCAPES[c]) : bad_json(source)
        else
            write(out, byte)
        end
    end
end

function parse_unicode(source)
    code = parse_hex(source)
    if 0xd800 <= code < 0xdc00
        expect(source, "\\u")
        low = parse_hex(source)
        0xdc00 <= low < 0xe000 || bad_json(source)
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
    end
    return Char(code)
end

function parse_hex(source)
    source.at + 3 <= length(source.bytes) || bad_json(source)
    code = tryparse(UInt32, String(source.bytes[source.at:(source.at + 3)]); base=16)
    code === nothing && bad_json(source)
    source.at += 4
    return code
end

function parse_number(source)
    start = source.at
    while source.at <= length(source.bytes) && Char(source.bytes[source.at]) in "+-.0123456789eE"
        source.at += 1
    end
    digits = String(source.bytes[start:(source.at - 1)])
    whole = tryparse(Int, digits)
    whole === nothing || return whole
    number = tryparse(Float64, digits)
    number === nothing && bad_json(source)
    return number
end
