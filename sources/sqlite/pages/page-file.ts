/**
 * A SQLite file as its pages (https://sqlite.org/fileformat2.html), for the two readers that want bytes and no SQL: the
 * copier's fast path and the survey. Only for a private copy: nobody writes to it and no journal stands beside it. It may
 * be damaged: quick_check may still be walking its trees. The validator's witness does not use this; it asks SQLite itself.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { SenseiError } from '@sensei/core/errors'

const HEADER_BYTES = 100
const MAGIC = 'SQLite format 3\0'
const UTF8 = 1
const ROLLBACK_JOURNAL = 1

/** The smallest page that SQLite knows, and what an extension must leave of it. */
const PAGE_BYTES_MIN = 512
const USABLE_BYTES_MIN = 480

/** A jump reads this much; each page after it that comes in order doubles what is read ahead. */
const WINDOW_BYTES_MIN = 16 * 1024
const WINDOW_BYTES_MAX = 256 * 1024

export class PageFile {
  readonly pageBytes: number
  /** Without the bytes at the end of each page that an extension has reserved. */
  readonly usableBytes: number
  readonly pages: number
  readonly #path: string
  readonly #descriptor: number
  #open = true

  private constructor(path: string, descriptor: number, header: Buffer) {
    this.#path = path
    this.#descriptor = descriptor
    this.pageBytes = pageBytesOf(header)
    this.usableBytes = this.pageBytes - header[20]!
    this.pages = Math.floor(fstatSync(descriptor).size / this.pageBytes)
  }

  /** Null where the file cannot be read this way: UTF-16, write-ahead log, journals. */
  static open(path: string): PageFile | null {
    if (['-wal', '-journal'].some((suffix) => existsSync(path + suffix))) return null
    const descriptor = openSync(path, 'r')
    const header = Buffer.alloc(HEADER_BYTES)
    const whole = readSync(descriptor, header, 0, HEADER_BYTES, 0) === HEADER_BYTES
    const plain =
      whole &&
      header.toString('latin1', 0, 16) === MAGIC &&
      header[18] === ROLLBACK_JOURNAL &&
      header[19] === ROLLBACK_JOURNAL &&
      header.readUInt32BE(56) === UTF8 &&
      isPageSize(pageBytesOf(header)) &&
      pageBytesOf(header) - header[20]! >= USABLE_BYTES_MIN
    if (plain) return new PageFile(path, descriptor, header)
    closeSync(descriptor)
    return null
  }

  read(into: Uint8Array, bytes: number, page: number): number {
    const at = (page - 1) * this.pageBytes
    return readSync(this.#descriptor, into, 0, bytes, at)
  }

  close(): void {
    if (this.#open) closeSync(this.#descriptor)
    this.#open = false
  }

  damaged(what: string): SenseiError {
    return new SenseiError('SOURCE_CORRUPT', `${this.#path} is damaged: ${what}`)
  }
}

function pageBytesOf(header: Buffer): number {
  const size = header.readUInt16BE(16)
  return size === 1 ? 65_536 : size
}

function isPageSize(bytes: number): boolean {
  return bytes >= PAGE_BYTES_MIN && (bytes & (bytes - 1)) === 0
}

/** What a window needs: its pages, and room for a varint or two that a damaged page lets begin at its end. */
const SLACK_BYTES = 64
export const WINDOW_BYTES = WINDOW_BYTES_MAX + SLACK_BYTES

/** A window that moves over the pages, reading ahead while they come in order. */
export class PageWindow {
  /** Holds the page that was asked for last, from `at`. */
  readonly bytes: Buffer
  at = 0
  readonly #file: PageFile
  #first = 1
  #count = 0
  #ahead: number

  constructor(file: PageFile, bytes: Buffer = Buffer.alloc(WINDOW_BYTES)) {
    this.#file = file
    this.bytes = bytes
    this.#ahead = WINDOW_BYTES_MIN
  }

  /** Returns where the page begins in `bytes`; it stays there until another one is asked for. */
  seek(page: number): number {
    const place = page - this.#first
    if (place < 0 || place >= this.#count) this.#fill(page)
    this.at = (page - this.#first) * this.#file.pageBytes
    return this.at
  }

  #fill(page: number): void {
    const { pageBytes, pages } = this.#file
    if (page < 1 || page > pages) throw this.#file.damaged(`it has no page ${page}`)
    const inOrder = page >= this.#first && page < this.#first + this.#count + 2
    this.#ahead = inOrder ? Math.min(this.#ahead * 2, WINDOW_BYTES_MAX) : WINDOW_BYTES_MIN
    const wanted = Math.max(pageBytes, Math.floor(this.#ahead / pageBytes) * pageBytes)
    const read = this.#file.read(this.bytes, wanted, page)
    this.#first = page
    this.#count = Math.floor(read / pageBytes)
    if (this.#count === 0) throw this.#file.damaged(`page ${page} is cut off`)
  }
}
