# What a user of Rainfall does first: read, sum, print.
using Rainfall

days = IOBuffer(join(("2024-$(lpad(m, 2, '0'))-$(lpad(d, 2, '0')),$((7m + 3d) % 19 / 2)" for m in 1:3 for d in 1:28), '\n'))
print_table(stdout, by_month(read_days(days)))
