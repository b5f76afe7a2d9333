/* HyperAdam's cell for one J (-DJ=20) and one dtype (float, or double with -DDOUBLE), as one shared library. */
#include "forward.c"
#include "backward.c"
#include "backward_step.c"
