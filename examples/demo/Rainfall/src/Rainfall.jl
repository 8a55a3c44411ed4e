"Sums daily rainfall by month: small, and slow to start without a sysimage."
module Rainfall

using Dates
using Printf

export read_days, by_month, print_table

"""
    read_days(io) -> Vector{NamedTuple}

Reads lines of `yyyy-mm-dd,millimetres`.

# Errors
`ArgumentError` for a line that is not so.
"""
function read_days(io::IO)
    return map(eachline(io)) do line
        date, amount = split(line, ',')
        (date=Date(date, dateformat"yyyy-mm-dd"), amount=parse(Float64, amount))
    end
end

"Total and wettest day of each month, in order."
function by_month(days)
    months = Dict{Date,Vector{eltype(days)}}()
    for day in days
        push!(get!(() -> eltype(days)[], months, firstdayofmonth(day.date)), day)
    end
    return sort!(
        [
            (month=month, total=sum(d -> d.amount, group), wettest=group[argmax([d.amount for d in group])])
            for (month, group) in months
        ];
        by=row -> row.month,
    )
end

function print_table(io::IO, rows)
    for row in rows
        @printf(io, "%-15s %8.1f mm   most on %s\n", Dates.format(row.month, "yyyy U"), row.total,
            Dates.format(row.wettest.date, "e d u"))
    end
    return nothing
end

end
