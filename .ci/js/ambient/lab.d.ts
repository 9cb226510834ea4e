/** The lab's own script: `media/page/__init__.py` puts it beside `main.js` when it makes a page. */
export function lab(data: any, blobs: any): Promise<unknown> | unknown;
