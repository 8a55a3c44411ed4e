# Runs on an image, as a script: writes the names of the packages in it to the file that it is given, with NUL between.
write(only(ARGS), join([id.name for id in keys(Base.loaded_modules)], '\0'))
