// The heap of the image process.
const long jl_system_image_size = 50000;
char jl_system_image_data[50000] = "NEWH";
