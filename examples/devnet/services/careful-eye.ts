/** Provider `careful-eye`: reads single pages and whole documents, slowly and well. What `aigen provide` loads. */
import ocr from './careful-ocr.ts'
import pages from './careful-pages.ts'

export default [ocr, pages]
