// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IVault} from "./IVault.sol";

/// @title Vaults with reserved lanes, paid by vouchers
/// @dev No owner, no proxy, no upgrade. State changes before tokens move, and the guard holds
/// across every function that moves them.
contract Vault is IVault, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Most rows of one batch.
    uint256 public constant ROWS_MAX = 200;
    /// @notice Longest delay, so that nobody locks a deposit away for ever by a slip.
    uint48 public constant DELAY_MAX = 365 days;

    bytes32 private constant VOUCHER_TYPE = keccak256("Voucher(bytes32 laneId,uint128 cumulative,bytes32 ref)");
    bytes32 private constant LOCKED_TYPE = keccak256(
        "LockedVoucher(bytes32 laneId,uint128 cumulative,uint128 lockAmount,bytes32 lockHash,uint48 lockExpiry,bytes32 ref)"
    );
    bytes32 private constant ESCROW_TYPE = keccak256(
        "EscrowVoucher(bytes32 laneId,uint128 cumulative,uint128 amount,address arbiter,uint48 challengeEnd,uint48 expiry,bytes32 ref)"
    );
    bytes32 private constant RULING_TYPE = keccak256("Ruling(bytes32 voucherHash,uint128 payeeAmount)");
    bytes32 private constant RELEASE_TYPE = keccak256("Release(bytes32 laneId,uint128 finalClaimed)");
    bytes32 private constant RESERVATION_TYPE = keccak256("Reservation(address payee,uint64 number,uint128 total)");
    bytes32 private constant RESERVE_TYPE = keccak256(
        "Reserve(bytes32 vaultId,Reservation[] reservations,uint48 validBefore)Reservation(address payee,uint64 number,uint128 total)"
    );

    mapping(bytes32 vaultId => VaultState) private _vaults;
    mapping(bytes32 laneId => Lane) private _lanes;
    mapping(address token => mapping(address account => uint128)) private _credits;
    /// @dev payeeAmount + 1; zero where there is no ruling.
    mapping(bytes32 voucherHash => uint256) private _rulings;

    constructor() EIP712("AIGEN Vault", "1") {}

    // ---------------------------------------------------------------- money in

    /// @inheritdoc IVault
    function open(Terms calldata terms, uint128 amount) external nonReentrant returns (bytes32 vaultId) {
        vaultId = _open(terms);
        if (amount > 0) _deposit(vaultId, amount);
    }

    /// @inheritdoc IVault
    function deposit(bytes32 vaultId, uint128 amount) external nonReentrant {
        _known(vaultId);
        _deposit(vaultId, amount);
    }

    /// @inheritdoc IVault
    function openWithAuthorization(
        Terms calldata terms,
        address from,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 vaultId) {
        vaultId = _open(terms);
        if (signature.length != 65) revert BadSignature();
        uint256 before = IERC20(terms.token).balanceOf(address(this));
        // The nonce names the vault: who sees this in the mempool can only do the same thing earlier.
        IERC3009(terms.token).receiveWithAuthorization(
            from,
            address(this),
            amount,
            validAfter,
            validBefore,
            keccak256(abi.encode(vaultId, salt)),
            uint8(signature[64]),
            bytes32(signature[0:32]),
            bytes32(signature[32:64])
        );
        _arrived(vaultId, from, terms.token, before, amount);
    }

    function _open(Terms calldata terms) private returns (bytes32 vaultId) {
        vaultId = vaultIdOf(terms);
        VaultState storage vault = _vaults[vaultId];
        if (vault.owner != address(0)) return vaultId;
        if (
            terms.owner == address(0) || terms.voucherKey == address(0) || terms.token == address(0)
                || terms.delay == 0 || terms.delay > DELAY_MAX
        ) revert BadTerms();
        vault.owner = terms.owner;
        vault.delay = terms.delay;
        vault.voucherKey = terms.voucherKey;
        vault.number = terms.number;
        vault.token = terms.token;
        emit VaultOpened(vaultId, terms.owner, terms.token, terms.voucherKey, terms.delay, terms.number);
    }

    function _deposit(bytes32 vaultId, uint128 amount) private {
        address token = _vaults[vaultId].token;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        _arrived(vaultId, msg.sender, token, before, amount);
    }

    /// @dev A token that takes a fee, or lies about a transfer, is refused here (I2).
    function _arrived(bytes32 vaultId, address from, address token, uint256 before, uint128 amount) private {
        uint256 now_ = IERC20(token).balanceOf(address(this));
        uint256 arrived = now_ < before ? 0 : now_ - before;
        if (arrived != amount) revert DepositMismatch(amount, arrived);
        _vaults[vaultId].free += amount;
        emit Deposited(vaultId, from, amount);
    }

    // ---------------------------------------------------------------- lanes

    /// @inheritdoc IVault
    function reserve(bytes32 vaultId, Reservation[] calldata reservations) external {
        _reserve(vaultId, _owned(vaultId), reservations);
    }

    /// @inheritdoc IVault
    function reserveBySignature(
        bytes32 vaultId,
        Reservation[] calldata reservations,
        uint48 validBefore,
        bytes calldata signature
    ) external {
        VaultState storage vault = _known(vaultId);
        if (block.timestamp >= validBefore) revert Late(validBefore);
        _rows(reservations.length);
        bytes32[] memory rows = new bytes32[](reservations.length);
        for (uint256 i = 0; i < reservations.length; ++i) {
            rows[i] = keccak256(abi.encode(RESERVATION_TYPE, reservations[i]));
        }
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(RESERVE_TYPE, vaultId, keccak256(abi.encodePacked(rows)), validBefore))
        );
        if (!_signedBy(vault.owner, digest, signature)) revert BadSignature();
        _reserve(vaultId, vault, reservations);
    }

    function _reserve(bytes32 vaultId, VaultState storage vault, Reservation[] calldata reservations) private {
        _rows(reservations.length);
        uint128 free = vault.free;
        for (uint256 i = 0; i < reservations.length; ++i) {
            Reservation calldata row = reservations[i];
            if (row.payee == address(0) || row.payee == address(this)) revert BadReceiver(row.payee);
            bytes32 laneId = laneIdOf(vaultId, row.payee, row.number);
            Lane storage lane = _lanes[laneId];
            if (lane.closed) revert LaneIsClosed(laneId);
            if (lane.exitAt != 0) revert LaneIsExiting(laneId);
            uint128 reserved = lane.reserved;
            if (row.total <= reserved) continue;
            uint128 more = row.total - reserved;
            if (more > free) revert InsufficientFree(more, free);
            free -= more;
            if (reserved == 0) {
                lane.vaultId = vaultId;
                lane.payee = row.payee;
            }
            lane.reserved = row.total;
            emit Reserved(laneId, vaultId, row.payee, row.number, row.total);
        }
        vault.free = free;
    }

    /// @inheritdoc IVault
    function exit(bytes32 laneId) external {
        Lane storage lane = _lane(laneId);
        VaultState storage vault = _owned(lane.vaultId);
        if (lane.exitAt != 0) return;
        lane.exitAt = uint48(block.timestamp) + vault.delay;
        emit ExitStarted(laneId, lane.exitAt);
    }

    /// @inheritdoc IVault
    function finalize(bytes32 laneId) external {
        Lane storage lane = _lane(laneId);
        if (lane.exitAt == 0 || block.timestamp < lane.exitAt) revert NotYet(lane.exitAt);
        _close(laneId, lane);
    }

    /// @inheritdoc IVault
    function release(bytes32 laneId, uint128 finalClaimed, bytes calldata signature) external {
        Lane storage lane = _lane(laneId);
        if (msg.sender != lane.payee || signature.length != 0) {
            bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(RELEASE_TYPE, laneId, finalClaimed)));
            if (!_signedBy(lane.payee, digest, signature)) revert BadSignature();
        }
        if (lane.claimed < finalClaimed) revert ClaimFirst(lane.claimed, finalClaimed);
        _close(laneId, lane);
    }

    /// @dev What is left can be no more than at the exit: an exiting lane takes no top-up.
    function _close(bytes32 laneId, Lane storage lane) private {
        uint128 rest = lane.reserved - lane.claimed;
        lane.closed = true;
        _vaults[lane.vaultId].free += rest;
        emit LaneClosed(laneId, lane.claimed, rest);
    }

    // ---------------------------------------------------------------- money out

    /// @inheritdoc IVault
    function claim(Claim[] calldata claims) external nonReentrant returns (uint256 paid) {
        _rows(claims.length);
        // Rows of one payee in one token that follow each other are paid by one transfer.
        address token;
        address payee;
        uint128 due;
        for (uint256 i = 0; i < claims.length; ++i) {
            Lane storage lane = _lanes[claims[i].laneId];
            (uint128 amount, Refusal reason) = _settle(claims[i], lane);
            if (reason != Refusal.None) {
                emit Refused(i, claims[i].laneId, reason);
                continue;
            }
            address rowToken = _vaults[lane.vaultId].token;
            if (lane.payee != payee || rowToken != token) {
                _pay(token, payee, due);
                (token, payee, due) = (rowToken, lane.payee, 0);
            }
            due += amount;
            paid += amount;
        }
        _pay(token, payee, due);
    }

    function _settle(Claim calldata row, Lane storage lane) private returns (uint128 amount, Refusal) {
        if (lane.vaultId == 0) return (0, Refusal.UnknownLane);
        if (lane.closed) return (0, Refusal.Closed);
        (uint128 total, bytes32 digest, Refusal reason) = _total(row);
        if (reason != Refusal.None) return (0, reason);
        uint128 claimed = lane.claimed;
        if (total <= claimed) return (0, Refusal.NothingNew);
        if (total > lane.reserved) return (0, Refusal.OverReserve);
        if (!_signedBy(_vaults[lane.vaultId].voucherKey, digest, row.signature)) return (0, Refusal.Signature);
        amount = total - claimed;
        lane.claimed = total;
        emit Claimed(row.laneId, lane.payee, amount, total, row.ref);
        return (amount, Refusal.None);
    }

    /// @dev The lane's total that the row entitles to now, and what must have been signed for it.
    function _total(Claim calldata row) private view returns (uint128 total, bytes32 digest, Refusal) {
        if (row.kind == 0) {
            digest = _hashTypedDataV4(keccak256(abi.encode(VOUCHER_TYPE, row.laneId, row.cumulative, row.ref)));
            return (row.cumulative, digest, Refusal.None);
        }
        if (row.kind > 2 || row.amount > row.cumulative) return (0, 0, Refusal.Malformed);
        if (block.timestamp >= row.expiry) return (0, 0, Refusal.Expired);
        if (row.kind == 1) {
            if (sha256(abi.encode(row.preimage)) != row.lockHash) return (0, 0, Refusal.Preimage);
            digest = _hashTypedDataV4(
                keccak256(
                    abi.encode(LOCKED_TYPE, row.laneId, row.cumulative, row.amount, row.lockHash, row.expiry, row.ref)
                )
            );
            return (row.cumulative, digest, Refusal.None);
        }
        digest = _escrowDigest(
            EscrowVoucher(row.laneId, row.cumulative, row.amount, row.arbiter, row.challengeEnd, row.expiry, row.ref)
        );
        uint256 ruling = _rulings[digest];
        if (ruling != 0) return (row.cumulative - row.amount + uint128(ruling - 1), digest, Refusal.None);
        if (block.timestamp < row.challengeEnd) return (0, 0, Refusal.TooEarly);
        return (row.cumulative, digest, Refusal.None);
    }

    /// @dev A payee that cannot receive is credited, so that it cannot hold up a batch.
    function _pay(address token, address payee, uint128 amount) private {
        if (amount == 0) return;
        if (IERC20(token).trySafeTransfer(payee, amount)) return;
        _credits[token][payee] += amount;
        emit Credited(token, payee, amount);
    }

    /// @inheritdoc IVault
    function collect(address token, address to) external nonReentrant {
        if (to == address(this)) revert BadReceiver(to);
        uint128 amount = _credits[token][msg.sender];
        if (amount == 0) revert NothingToCollect();
        _credits[token][msg.sender] = 0;
        emit Collected(token, msg.sender, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    /// @inheritdoc IVault
    function withdraw(bytes32 vaultId, uint128 amount, address to) external nonReentrant {
        VaultState storage vault = _owned(vaultId);
        if (to == address(this)) revert BadReceiver(to);
        if (amount > vault.free) revert InsufficientFree(amount, vault.free);
        vault.free -= amount;
        emit Withdrawn(vaultId, to, amount);
        IERC20(vault.token).safeTransfer(to, amount);
    }

    // ---------------------------------------------------------------- escrow

    /// @inheritdoc IVault
    function rule(EscrowVoucher calldata voucher, uint128 payeeAmount, bytes calldata signature) external {
        bytes32 voucherHash = _escrowDigest(voucher);
        if (block.timestamp >= voucher.challengeEnd) revert ChallengeOver(voucher.challengeEnd);
        if (payeeAmount > voucher.amount) revert RulingTooHigh(payeeAmount, voucher.amount);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(RULING_TYPE, voucherHash, payeeAmount)));
        if (!_signedBy(voucher.arbiter, digest, signature)) revert BadSignature();
        if (_rulings[voucherHash] != 0) revert AlreadyRuled(voucherHash);
        _rulings[voucherHash] = uint256(payeeAmount) + 1;
        emit Ruled(voucherHash, voucher.arbiter, payeeAmount);
    }

    function _escrowDigest(EscrowVoucher memory voucher) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ESCROW_TYPE, voucher)));
    }

    // ---------------------------------------------------------------- reads

    /// @inheritdoc IVault
    function vaultIdOf(Terms calldata terms) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), terms));
    }

    /// @inheritdoc IVault
    function laneIdOf(bytes32 vaultId, address payee, uint64 number) public pure returns (bytes32) {
        return keccak256(abi.encode(vaultId, payee, number));
    }

    /// @inheritdoc IVault
    function vaultOf(bytes32 vaultId) external view returns (VaultState memory) {
        return _vaults[vaultId];
    }

    /// @inheritdoc IVault
    function laneOf(bytes32 laneId) external view returns (Lane memory lane, VaultState memory vault) {
        lane = _lanes[laneId];
        vault = _vaults[lane.vaultId];
    }

    /// @inheritdoc IVault
    function creditOf(address token, address account) external view returns (uint128) {
        return _credits[token][account];
    }

    /// @inheritdoc IVault
    function rulingOf(bytes32 voucherHash) external view returns (bool ruled, uint128 payeeAmount) {
        uint256 ruling = _rulings[voucherHash];
        return ruling == 0 ? (false, uint128(0)) : (true, uint128(ruling - 1));
    }

    // ---------------------------------------------------------------- checks

    function _known(bytes32 vaultId) private view returns (VaultState storage vault) {
        vault = _vaults[vaultId];
        if (vault.owner == address(0)) revert UnknownVault(vaultId);
    }

    function _owned(bytes32 vaultId) private view returns (VaultState storage vault) {
        vault = _known(vaultId);
        if (msg.sender != vault.owner) revert NotOwner(msg.sender, vault.owner);
    }

    function _lane(bytes32 laneId) private view returns (Lane storage lane) {
        lane = _lanes[laneId];
        if (lane.vaultId == 0) revert UnknownLane(laneId);
        if (lane.closed) revert LaneIsClosed(laneId);
    }

    function _rows(uint256 rows) private pure {
        if (rows == 0 || rows > ROWS_MAX) revert RowCount(rows, ROWS_MAX);
    }

    /// @dev ecrecover only: never ERC-1271, since EIP-7702 can put code on the signer's address.
    function _signedBy(address signer, bytes32 digest, bytes calldata signature) private pure returns (bool) {
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        return failure == ECDSA.RecoverError.NoError && recovered == signer && signer != address(0);
    }
}
