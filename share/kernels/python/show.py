# show.py - rich results: what an object says about itself (_repr_*_) and figures of matplotlib.

import _io
import sys

import _airlock as kernel

MIMES = (('_repr_html_', 'text/html'), ('_repr_markdown_', 'text/markdown'),
         ('_repr_svg_', 'image/svg+xml'), ('_repr_png_', 'image/png'), ('_repr_jpeg_', 'image/jpeg'),
         ('_repr_latex_', 'text/latex'), ('_repr_json_', 'application/json'))
DATA_MAX = 32 << 20


def as_bytes(mime, data):
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, str):
        if mime.startswith('image/') and not mime.endswith('xml'):
            import binascii
            try:
                return binascii.a2b_base64(data)  # as notebooks carry images
            except binascii.Error:
                pass
        return data.encode('utf-8', 'backslashreplace')
    import json
    return json.dumps(data, default=repr).encode('utf-8', 'backslashreplace')


def call(value, name, **how):
    """value.name(), looked up on the type as the language does for special methods."""
    method = getattr(type(value), name, None)
    if method is None or isinstance(value, type):
        return None
    data = method(value, **how)
    return data[0] if isinstance(data, tuple) and data else data


def bundle(value):
    """{mime: data}; a method that raises is left out, as the next one may work."""
    out = {}
    try:
        given = call(value, '_repr_mimebundle_', include=None, exclude=None)
        if isinstance(given, dict):
            out.update((str(k), v) for k, v in given.items() if v is not None)
    except Exception as e:
        out['text/plain'] = '(%s in _repr_mimebundle_)' % type(e).__name__
    for name, mime in MIMES:
        if mime in out:
            continue
        try:
            data = call(value, name)
        except Exception:
            continue
        if data is not None:
            out[mime] = data
    return out


def show(value, is_main):
    data = bundle(value)
    if 'text/plain' not in data:
        data['text/plain'] = kernel.cut(repr(value))
    plain = data.pop('text/plain')
    kernel.send_result('text/plain', as_bytes('text/plain', plain), is_main)
    for mime, item in data.items():
        raw = as_bytes(mime, item)
        if len(raw) <= DATA_MAX:
            kernel.send_result(mime[:100], raw, is_main)


# ---- matplotlib: drawn by Agg, sent as PNG, closed

def plots():
    """Send and close the figures that are open."""
    pyplot = sys.modules['matplotlib.pyplot']
    for number in list(pyplot.get_fignums()):
        figure = pyplot.figure(number)
        if figure.get_axes() or figure.lines or figure.texts or figure.images:
            file = _io.BytesIO()
            figure.savefig(file, format='png', bbox_inches='tight')
            kernel.send_result('image/png', file.getvalue(), False)
    pyplot.close('all')


class PlotLoader:
    """The module _airlock_plots, named by MPLBACKEND: Agg whose show() sends the figures."""
    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        from matplotlib.backends import backend_agg
        module.FigureCanvas = backend_agg.FigureCanvasAgg
        module.FigureManager = backend_agg.FigureManager if hasattr(backend_agg, 'FigureManager') \
            else sys.modules['matplotlib.backend_bases'].FigureManagerBase
        module.show = lambda *args, **how: plots()
