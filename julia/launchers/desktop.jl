# Launchers in the menu of a Linux or BSD desktop.

function desktop_entry(launcher, command)
    return render("application.desktop", Dict(
        "MARKER" => marker(launcher),
        "NAME" => launcher.name,
        "COMMENT" => desktop_string("Julia on the sysimage $(basename(launcher.sysimage))"),
        "EXEC" => desktop_string(join(desktop_argument.(command), ' ')),
    ))
end

"A value of type string or localestring: what would end or split it is escaped."
desktop_string(text) = replace(replace(replace(replace(text, "\\" => "\\\\"), "\n" => "\\n"),
    "\r" => "\\r"), "\t" => "\\t")

"An argument of `Exec`: quoted, and `%`, which would start a field code, doubled."
desktop_argument(text) = occursin(r"^[A-Za-z0-9/._-]+\z", text) ? text :
    string('"', replace(replace(text, r"[\"`$\\]" => s"\\\0"), "%" => "%%"), '"')
