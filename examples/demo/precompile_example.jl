using Example

println(hello("sysimage"))
domath(5)
