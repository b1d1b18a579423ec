"""From a frame to a patch that is fit to be judged.

What it is, in the order a frame passes: `silhouette` (the decimated picture and its outlines), `locate` (where the
part lies, `Locator`), `health` (why a picture is not fit to be judged), `reference` (the taught reference, its file,
and `rectify` to the fixed frame), with `align` for the exact pose and `teaching` for learning a reference from good
pictures. What it is not: the model. The line thread; teaching runs in a job process.
"""
