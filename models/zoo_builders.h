/* zoo_builders.h - one function per architecture: appends the whole network,
 * from graph input to graph output, to *z. The table that names them is
 * zoo.def; failures are sticky (onnx_writer.h). */
#ifndef FLEXC_MODELS_ZOO_BUILDERS_H
#define FLEXC_MODELS_ZOO_BUILDERS_H

struct zoo_net;

void zoo_build_vgg19(struct zoo_net *z);
void zoo_build_resnet152(struct zoo_net *z);
void zoo_build_mobilenetv2(struct zoo_net *z);
void zoo_build_squeezenet(struct zoo_net *z);
void zoo_build_vit(struct zoo_net *z);
void zoo_build_gpt2(struct zoo_net *z);
void zoo_build_gpt2_step(struct zoo_net *z);
void zoo_build_tiny(struct zoo_net *z);

#endif
